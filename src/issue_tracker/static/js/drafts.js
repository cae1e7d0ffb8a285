// Typed text is never lost. What is typed into a form with `data-draft` is stored in this tab until the server has
// accepted it, and is restored when the form appears again. And a form is sent only while there is a server and a
// session to accept it. Signing out removes it, and so does the next user of this tab.
import { ensureSession, RequestError } from "./api.js";
import { all, targetOf } from "./elements.js";

/** The key under which the id of the user is recorded to whom the drafts in this tab belong. */
const OWNER = "draft-owner";

/** The key under which a form that is being sent is recorded. */
const SENT = "draft-sent";

/** The address that this page was loaded from. */
const [LOADED = ""] = location.href.split("#");

/** The address of this page now, as the next page sees it as its referrer. */
const here = () => location.href.split("#")[0] ?? "";

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field */

/** @param {HTMLFormElement} form */
const keyOf = (form) => `draft:${form.dataset.draft}`;

const draftForms = () => all("form[data-draft]", document, HTMLFormElement);

/** @param {HTMLFormElement} form */
const fieldsOf = (form) =>
  /** @type {Field[]} */ ([...form.elements]).filter(
    (field) => field.name && !["hidden", "password", "submit", "button"].includes(field.type),
  );

/** @param {Field} field */
const isTicked = (field) => field instanceof HTMLInputElement && ["checkbox", "radio"].includes(field.type);

/** @param {Field} field */
const valueOf = (field) => (field instanceof HTMLInputElement && isTicked(field) ? field.checked : field.value);

/**
 * Returns the key of a field in a draft. Several check boxes may have the same name.
 * @param {Field} field
 */
const nameOf = (field) => (isTicked(field) ? `${field.name}=${field.value}` : field.name);

export function startDrafts() {
  showOwnAddress();
  const actor = document.querySelector("meta[name=actor]")?.getAttribute("content");
  if (actor && sessionStorage.getItem(OWNER) !== actor) {
    forgetAll();
    sessionStorage.setItem(OWNER, actor);
  }
  dropAccepted(Boolean(actor));
  if (!actor) return;
  draftForms().forEach(restore);
  document.addEventListener("input", (event) => {
    /** @type {HTMLFormElement | null} */
    const form = targetOf(event).closest("form[data-draft]");
    if (form) store(form);
  });
  // On the window, and so last: by then the modules that send a form themselves have stopped its event.
  addEventListener("submit", guard);
  document.addEventListener("click", (event) => {
    if (!targetOf(event).closest("[data-discard]")) return;
    for (const form of draftForms()) sessionStorage.removeItem(keyOf(form));
  });
}

/**
 * A page that answers a form was loaded from the address of that form, which a reload would send again. It gets the
 * address of the page that the form is on.
 */
function showOwnAddress() {
  const page = document.querySelector("meta[name=here]")?.getAttribute("content");
  if (page) history.replaceState(history.state, "", page);
}

/** Removes all that was typed in this tab. */
function forgetAll() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("draft")) sessionStorage.removeItem(key);
}

/**
 * Drops the draft of the form that was sent last, if the server accepted it: then it redirected from it, or showed the
 * same page after it without an error. The browser's own error page, the way back from there and the sign-in page mean
 * nothing of the kind. The page that asks for the password carries the form on: the draft is then that form's.
 * @param {boolean} signedIn
 */
function dropAccepted(signedIn) {
  const sent = JSON.parse(sessionStorage.getItem(SENT) ?? "null");
  sessionStorage.removeItem(SENT);
  if (!sent || !signedIn) return;
  const carrying = document.querySelector("form[data-carried]");
  if (carrying instanceof HTMLFormElement) {
    carrying.dataset.carried = sent.draft;
    return;
  }
  const [arrival] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  const answered = LOADED === sent.to && document.referrer === sent.from && arrival?.type === "navigate";
  if (!arrival?.redirectCount && !answered) return;
  const form = document.querySelector(`form[data-draft="${CSS.escape(sent.draft)}"]`);
  if (!form?.matches("[data-touched]")) sessionStorage.removeItem(`draft:${sent.draft}`);
}

/** @param {HTMLFormElement} form */
function store(form) {
  sessionStorage.setItem(keyOf(form), JSON.stringify(fieldsOf(form).map((field) => [nameOf(field), valueOf(field)])));
}

/** @param {HTMLFormElement} form */
function restore(form) {
  const stored = sessionStorage.getItem(keyOf(form));
  // A form with `data-touched` comes back from the server, with the text that was sent.
  if (!stored || form.matches("[data-touched]")) return;
  const values = new Map(JSON.parse(stored));
  let changed = false;
  for (const field of fieldsOf(form)) {
    if (!values.has(nameOf(field))) continue;
    const value = values.get(nameOf(field));
    if (valueOf(field) === value) continue;
    changed = true;
    field.closest("details")?.setAttribute("open", "");
    if (field instanceof HTMLInputElement && isTicked(field)) field.checked = value;
    else field.value = value;
  }
  if (!changed) return sessionStorage.removeItem(keyOf(form));
  form.closest("details")?.setAttribute("open", "");
  form.prepend(restoredNote(form));
}

/** @param {HTMLFormElement} form */
function restoredNote(form) {
  const note = document.createElement("div");
  note.className = "note";
  note.setAttribute("role", "status");
  note.textContent = "The text that you typed before has been restored.";
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button small", textContent: "Discard it" });
  button.addEventListener("click", () => {
    sessionStorage.removeItem(keyOf(form));
    form.reset();
    note.remove();
  });
  note.append(button);
  return note;
}

/**
 * Stops a form that changes something, and sends it once it is certain that there is a server and a session for it.
 * @param {SubmitEvent} event
 */
async function guard(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const submitter = /** @type {HTMLButtonElement | null} */ (event.submitter);
  const action = submitter?.hasAttribute("formaction") ? submitter.formAction : form.action;
  if (event.defaultPrevented || form.method !== "post") return;
  if (new URL(action).pathname === "/logout") return forgetAll();
  if (form.dataset.guarded === "passed") {
    delete form.dataset.guarded;
    const draft = form.dataset.draft ?? form.dataset.carried;
    if (draft) sessionStorage.setItem(SENT, JSON.stringify({ draft, from: here(), to: action }));
    return;
  }
  event.preventDefault();
  if (form.dataset.guarded) return;
  form.dataset.guarded = "asking";
  const ready = await ensureSession().catch((error) => reportUnsent(form, error));
  delete form.dataset.guarded;
  if (!ready) return;
  form.dataset.guarded = "passed";
  form.requestSubmit(submitter);
}

/**
 * @param {HTMLFormElement} form
 * @param {unknown} error
 */
function reportUnsent(form, error) {
  if (!(error instanceof RequestError)) throw error;
  const before = form.previousElementSibling;
  const note =
    before instanceof HTMLElement && before.matches("[data-unsent]") ? before : document.createElement("div");
  note.className = "note wrong";
  note.dataset.unsent = "";
  note.setAttribute("role", "alert");
  note.textContent = `Nothing was sent. ${error.message}`;
  form.before(note);
  return false;
}
