// Protects typed text from being lost. Text in a form with `data-draft` is stored in this tab until the server has
// accepted it, and is restored when the form appears again. A form is sent only if the server responds and there is a
// session. Drafts are removed at sign-out and when another user uses the tab.
import { ensureSession, RequestError } from "./api.js";
import { all, isEdited, targetOf } from "./elements.js";

/** The key under which the id of the owner of this tab's drafts is stored. */
const OWNER = "draft-owner";

/** The key under which the form being sent is stored. */
const SENT = "draft-sent";

/** Milliseconds after which a form can be sent again if no page has followed. */
const RESENDABLE = 15_000;

/** The URL from which this page was loaded. */
const [LOADED = ""] = location.href.split("#");

/** The current URL of this page, which is the referrer of the next page. */
const here = () => location.href.split("#")[0] ?? "";

/** @typedef {import("./elements.js").Field} Field */

/** @param {HTMLFormElement} form */
const keyOf = (form) => `draft:${form.dataset.draft}`;

const draftForms = () => all("form[data-draft]", document, HTMLFormElement);

/** @param {HTMLFormElement} form */
const fieldsOf = (form) =>
  /** @type {Field[]} */ ([...form.elements]).filter(
    (field) => field.name && !["hidden", "password", "submit", "button"].includes(field.type),
  );

/**
 * The fields that tell the server what the user has seen (`seen_…`).
 * @param {HTMLFormElement} form
 */
const seenFieldsOf = (form) => all("input[type=hidden][name^=seen_]", form, HTMLInputElement);

/** @param {Field} field */
const isCheckable = (field) => field instanceof HTMLInputElement && ["checkbox", "radio"].includes(field.type);

/** @param {Field} field */
const valueOf = (field) => (field instanceof HTMLInputElement && isCheckable(field) ? field.checked : field.value);

/**
 * Returns the key of a field in a draft. Several checkboxes may have the same name.
 * @param {Field} field
 */
const nameOf = (field) => (isCheckable(field) ? `${field.name}=${field.value}` : field.name);

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
  // On the window, so that it runs last: modules that send a form themselves have stopped its event by then.
  addEventListener("submit", guard);
  // A page to which the browser goes back can send its forms again.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) for (const form of all("form[data-guarded]")) delete form.dataset.guarded;
  });
  document.addEventListener("click", (event) => {
    if (!targetOf(event).closest("[data-discard]")) return;
    for (const form of draftForms()) sessionStorage.removeItem(keyOf(form));
  });
}

/**
 * Replaces the URL of a page that is the response to a form with the URL of the page that contains the form, so that a
 * reload does not send the form again.
 */
function showOwnAddress() {
  const page = document.querySelector("meta[name=here]")?.getAttribute("content");
  if (page) history.replaceState(history.state, "", page);
}

/** Removes all drafts of this tab. */
function forgetAll() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("draft")) sessionStorage.removeItem(key);
}

/**
 * Drops the draft of the last sent form if the server accepted it: it then redirected, or showed the same page without
 * an error. The browser's error page, going back from it, and the sign-in page do not count as accepted. The page that
 * asks for the password contains the form, which then owns the draft.
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

/**
 * Stores the edited fields of a form, and what the user had seen, which a later change by another user makes outdated.
 * @param {HTMLFormElement} form
 */
function store(form) {
  // A form with `data-touched` was returned by the server with the submitted text, which nothing else contains.
  const edited = fieldsOf(form).filter((field) => form.matches("[data-touched]") || isEdited(field));
  if (!edited.length) return sessionStorage.removeItem(keyOf(form));
  const fields = [...edited, ...seenFieldsOf(form)];
  sessionStorage.setItem(keyOf(form), JSON.stringify(fields.map((field) => [nameOf(field), valueOf(field)])));
}

/** @param {HTMLFormElement} form */
function restore(form) {
  const stored = sessionStorage.getItem(keyOf(form));
  if (!stored || form.matches("[data-touched]")) return;
  const values = new Map(JSON.parse(stored));
  let changed = false;
  for (const field of fieldsOf(form)) {
    if (!values.has(nameOf(field))) continue;
    const value = values.get(nameOf(field));
    if (valueOf(field) === value) continue;
    changed = true;
    field.closest("details")?.setAttribute("open", "");
    if (field instanceof HTMLInputElement && isCheckable(field)) field.checked = value;
    else field.value = value;
  }
  if (!changed) return sessionStorage.removeItem(keyOf(form));
  const seen = seenFieldsOf(form).map((field) => /** @type {const} */ ([field, field.value]));
  for (const [field, value] of seen) field.value = seenBefore(field.name, value, values);
  form.closest("details")?.setAttribute("open", "");
  const discard = () => {
    form.reset();
    // A reset leaves hidden fields as they are.
    for (const [field, value] of seen) field.value = value;
  };
  form.prepend(restoredNote(form, discard));
}

/**
 * Returns what the user has seen according to a hidden field: of restored fields the earlier texts, because a later
 * change of these by another user is a conflict, and of all others the present ones.
 * @param {string} name
 * @param {string} now
 * @param {Map<string, string | boolean>} values the draft
 */
function seenBefore(name, now, values) {
  const before = values.get(name);
  if (typeof before !== "string") return now;
  if (name !== "seen_fields") return values.has(name.replace("seen_", "")) ? before : now;
  const restored = Object.entries(JSON.parse(before)).filter(([field]) => values.has(field));
  return JSON.stringify({ ...JSON.parse(now), ...Object.fromEntries(restored) });
}

/**
 * @param {HTMLFormElement} form
 * @param {() => void} discard
 */
function restoredNote(form, discard) {
  const note = document.createElement("div");
  note.className = "note";
  note.setAttribute("role", "status");
  note.textContent = "The text that you typed before has been restored.";
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button small", textContent: "Discard it" });
  button.addEventListener("click", () => {
    sessionStorage.removeItem(keyOf(form));
    discard();
    note.remove();
  });
  note.append(" ", button);
  return note;
}

/**
 * Stops a form that changes something, and sends it after checking that the server responds and there is a session.
 * @param {SubmitEvent} event
 */
async function guard(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const submitter = /** @type {HTMLButtonElement | null} */ (event.submitter);
  const action = submitter?.hasAttribute("formaction") ? submitter.formAction : form.action;
  if (event.defaultPrevented || form.method !== "post") return;
  if (new URL(action).pathname === "/logout") return forgetAll();
  if (form.dataset.guarded === "passed") {
    const draft = form.dataset.draft ?? form.dataset.carried;
    if (draft) sessionStorage.setItem(SENT, JSON.stringify({ draft, from: here(), to: action }));
    // Until the next page appears, a second click of a double click would send the form again.
    form.dataset.guarded = "sent";
    setTimeout(() => delete form.dataset.guarded, RESENDABLE);
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
