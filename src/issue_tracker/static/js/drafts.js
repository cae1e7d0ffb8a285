// Typed text is never lost: kept per form in this tab until the server has taken it, restored when the form comes back.
import { ensureSession } from "./api.js";

const SENT = "draft-sent";
const keyOf = (form) => `draft:${form.dataset.draft}`;
const fields = (form) => [...form.elements].filter((field) => field.name && !["hidden", "password", "submit", "button"].includes(field.type));

export function startDrafts() {
  const signedIn = Boolean(document.querySelector("meta[name=actor]"));
  settleSent(signedIn);
  if (!signedIn) return;
  for (const form of document.querySelectorAll("form[data-draft]")) restore(form);
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-draft]");
    if (form) keep(form);
  });
  document.addEventListener("submit", submit);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-discard]")) return;
    for (const form of document.querySelectorAll("form[data-draft]")) sessionStorage.removeItem(keyOf(form));
  });
}

// A form that was sent: taken by the server, unless it is back with an error, or we are at the sign-in page.
function settleSent(signedIn) {
  const sent = sessionStorage.getItem(SENT);
  sessionStorage.removeItem(SENT);
  if (!sent || !signedIn) return;
  const form = document.querySelector(`form[data-draft="${CSS.escape(sent)}"]`);
  if (!form?.matches("[data-touched]")) sessionStorage.removeItem(`draft:${sent}`);
}

function keep(form) {
  const values = fields(form).map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value]);
  sessionStorage.setItem(keyOf(form), JSON.stringify(values));
}

function restore(form) {
  const stored = sessionStorage.getItem(keyOf(form));
  if (!stored || form.matches("[data-touched]")) return;
  const values = new Map(JSON.parse(stored));
  let changed = false;
  for (const field of fields(form)) {
    if (!values.has(field.name)) continue;
    const property = field.type === "checkbox" ? "checked" : "value";
    changed ||= field[property] !== values.get(field.name);
    field[property] = values.get(field.name);
  }
  if (!changed) return sessionStorage.removeItem(keyOf(form));
  form.closest("details")?.setAttribute("open", "");
  form.prepend(notice(form));
}

function notice(form) {
  const note = document.createElement("div");
  note.className = "note";
  note.setAttribute("role", "status");
  note.textContent = "What you typed before is back.";
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button small", textContent: "Discard it" });
  button.addEventListener("click", () => {
    sessionStorage.removeItem(keyOf(form));
    form.reset();
    note.remove();
  });
  note.append(button);
  return note;
}

// Before typed text leaves the page, make sure that there is a session to take it.
async function submit(event) {
  const form = event.target;
  if (!form.matches("form[data-draft]") || event.defaultPrevented) return;
  sessionStorage.setItem(SENT, form.dataset.draft);
  if (form.dataset.checked) return void delete form.dataset.checked;
  event.preventDefault();
  const { submitter } = event;
  if (!(await ensureSession())) return;
  form.dataset.checked = "1";
  form.requestSubmit(submitter);
}
