// Typed text is never lost: nothing is sent while there is nobody to take it, and what is typed into a form with a
// draft is kept in this tab until the server has taken it, and restored when the form comes back.
import { ensureSession, Refused } from "./api.js";

const SENT = "draft-sent";
const HERE = location.href.split("#")[0];
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
  // Last of all: forms that a module sends by itself have been stopped by then.
  addEventListener("submit", guard);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-discard]")) return;
    for (const form of document.querySelectorAll("form[data-draft]")) sessionStorage.removeItem(keyOf(form));
  });
}

// The server took a form when it led on from it, or drew the same page after it without an error. A browser's own
// error page, Back from there or the sign-in page are neither.
function settleSent(signedIn) {
  const sent = JSON.parse(sessionStorage.getItem(SENT) ?? "null");
  sessionStorage.removeItem(SENT);
  if (!sent || !signedIn) return;
  const [arrival] = performance.getEntriesByType("navigation");
  const answered = HERE === sent.to && document.referrer === sent.from && arrival.type === "navigate";
  if (!arrival.redirectCount && !answered) return;
  const form = document.querySelector(`form[data-draft="${CSS.escape(sent.draft)}"]`);
  if (!form?.matches("[data-touched]")) sessionStorage.removeItem(`draft:${sent.draft}`);
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

// Before a form that changes something leaves the page, make sure that there is a server and a session to take it.
async function guard(event) {
  const { target: form, submitter } = event;
  const action = submitter?.hasAttribute("formaction") ? submitter.formAction : form.action;
  if (event.defaultPrevented || form.method !== "post" || new URL(action).pathname === "/logout") return;
  if (form.dataset.guarded === "passed") {
    delete form.dataset.guarded;
    if (form.dataset.draft) sessionStorage.setItem(SENT, JSON.stringify({ draft: form.dataset.draft, from: HERE, to: action }));
    return;
  }
  event.preventDefault();
  if (form.dataset.guarded) return;
  form.dataset.guarded = "asking";
  const ready = await ensureSession().catch((error) => unsent(form, error));
  delete form.dataset.guarded;
  if (!ready) return;
  form.dataset.guarded = "passed";
  form.requestSubmit(submitter);
}

function unsent(form, error) {
  if (!(error instanceof Refused)) throw error;
  const before = form.previousElementSibling;
  const note = before?.matches("[data-unsent]") ? before : document.createElement("div");
  note.className = "note wrong";
  note.dataset.unsent = "";
  note.setAttribute("role", "alert");
  note.textContent = `Nothing was sent. ${error.message}`;
  form.before(note);
  return false;
}
