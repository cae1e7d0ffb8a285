// The confirmation dialog before many assignments are changed: it shows which companies are changed, which are skipped,
// and why.
import { RequestError, send } from "./api.js";
import { all, byId, find, targetOf } from "./elements.js";
import { label, NOT_AFFECTED } from "./places.js";
import { apply, focusOn, offerUndo } from "./quick-change.js";
import { parameters } from "./results.js";
import { clearSelection } from "./selection.js";
import { storeNote } from "./status-menu.js";
import { when } from "./times.js";
import { toast } from "./toast.js";

const FRAGMENT = { Accept: "text/html", "X-Fragment": "1" };
const REVIEW = "/assignments/review";

/**
 * The assignments that the last confirmed change has changed.
 * @type {import("./quick-change.js").Changed[]}
 */
let changed = [];

/** Whether the change in the dialog was made, with its note. */
let confirmed = false;

/** The number of the last request for a confirmation: the responses to earlier ones are ignored. */
let requested = 0;

/** Whether the note of the bulk bar is being saved: a second click must not save it again. */
let saving = false;

const dialogElement = () => byId("review", HTMLDialogElement);

/**
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
const inDialog = (selector) => dialogElement().querySelector(selector);

/** @returns {HTMLInputElement | null} */
const noteInDialog = () => dialogElement().querySelector("[name=note]");

/** @returns {HTMLButtonElement | null} */
const confirmButton = () => dialogElement().querySelector("button.main");

export function startReview() {
  const dialog = dialogElement();
  document.addEventListener("submit", (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (form.id === "selection" && event.submitter?.matches("[data-save-note]")) {
      event.preventDefault();
      void saveNote(form);
    } else if (form.id === "selection" && !event.submitter?.hasAttribute("data-plain")) {
      event.preventDefault();
      open("POST", REVIEW, parameters(form, event.submitter), focusedOr(event.submitter));
    } else if (form.id === "review-form" && dialog.open) {
      event.preventDefault();
      confirm(form);
    }
  });
  document.addEventListener("click", (event) => {
    /** @type {HTMLAnchorElement | null} */
    const link = targetOf(event).closest("a[data-review]");
    if (link && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      open("GET", link.href, undefined, focusedOr(link));
    } else if (targetOf(event).closest("#review [data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("change", showSelectedCount);
}

/**
 * Returns the element that has the focus, because a key presses a button for a row or a cell; without any, this one.
 * @param {HTMLElement | null} element
 */
const focusedOr = (element) => {
  const { activeElement } = document;
  return activeElement instanceof HTMLElement && activeElement !== document.body ? activeElement : element;
};

/**
 * Saves the note of the bulk bar for all selected assignments. The selection stays for the next step.
 * @param {HTMLFormElement} form
 */
async function saveNote(form) {
  if (saving) return;
  saving = true;
  try {
    const { data } = await send("POST", "/assignments/note", parameters(form));
    writeBarNote("");
    toast(data.text);
  } catch (error) {
    report(error);
  } finally {
    saving = false;
  }
}

/**
 * The note of the bulk bar.
 * @returns {HTMLInputElement | null}
 */
const barNote = () => document.querySelector("#selection .bulk [name=note]");

/** @param {string} text */
function writeBarNote(text) {
  const note = barNote();
  if (!note || note.value === text) return;
  note.value = text;
  note.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Asks for a confirmation, and then removes a company from an issue.
 * @param {import("./places.js").Place} place
 * @param {string} [note]
 */
export function reviewRemoval(place, note = "") {
  const body = new URLSearchParams({ on: place.on, status: NOT_AFFECTED, note, next: location.pathname });
  void open("POST", REVIEW, body, place.trigger, (text) => storeNote(place, text));
}

/**
 * Fetches the confirmation and shows it.
 * @param {string} method
 * @param {string} url
 * @param {URLSearchParams | undefined} body
 * @param {HTMLElement | null} trigger
 * @param {(note: string) => void} [keepNote] keeps the note if the user closes the dialog without a change
 */
async function open(method, url, body, trigger, keepNote = writeBarNote) {
  const dialog = dialogElement();
  const own = ++requested;
  const button = trigger?.matches(".button") ? trigger : null;
  button?.setAttribute("aria-busy", "true");
  try {
    const { data } = await send(method, url, body, FRAGMENT);
    if (own !== requested) return;
    byId("review-body").innerHTML = data;
    const note = noteInDialog();
    if (note && !body) note.value = barNote()?.value ?? "";
    dialog.showModal();
    inDialog(".button.main, [data-close]")?.focus();
    changed = [];
    confirmed = false;
    // The focus returns to the element that opened the dialog or, if it has disappeared, to the first changed place.
    const returnFocus = () => (trigger?.checkVisibility() ? trigger.focus() : focusOn(changed));
    const end = () => {
      if (!confirmed && note) keepNote(noteInDialog()?.value ?? note.value);
      returnFocus();
    };
    dialog.addEventListener("close", end, { once: true });
  } catch (error) {
    report(error);
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

function showSelectedCount() {
  const count = all("input[name=on]:checked", dialogElement()).length;
  const output = inDialog("[data-count]");
  if (output) output.textContent = String(count);
  const button = confirmButton();
  if (button) button.disabled = count === 0;
}

/** @param {HTMLFormElement} form */
async function confirm(form) {
  const button = find(".button.main", form, HTMLButtonElement);
  button.disabled = true;
  try {
    const { data } = await send("POST", form.action, parameters(form));
    if (data.moved.length) return await showConflicts(form, data.moved);
    confirmed = true;
    dialogElement().close();
    changed = data.changed;
    apply(changed);
    clearSelection();
    offerUndo(
      data.text,
      data.undo,
      changed.map(({ on }) => on),
    );
  } catch (error) {
    button.disabled = false;
    report(error);
  }
}

/**
 * Handles a conflict: another user changed some assignments first, so nothing was changed. Shows the confirmation
 * with the current statuses, the boxes of those assignments cleared, and who changed them and when.
 * @param {HTMLFormElement} form
 * @param {import("./conflict.js").Conflict[]} conflicts
 */
async function showConflicts(form, conflicts) {
  const title = byId("review-title").textContent;
  const { data } = await send("POST", REVIEW, parameters(form), FRAGMENT);
  byId("review-body").innerHTML = data;
  byId("review-title").textContent = title;
  apply(conflicts);
  for (const { on } of conflicts) {
    const boxes = all(`input[name=on][value^="${on}-"]`, dialogElement(), HTMLInputElement);
    for (const box of boxes) box.checked = false;
  }
  const sentences = conflicts.map(({ company_name: company, status, by, at }) => {
    const time = at ? `, ${when(new Date(at))}` : "";
    return status ? `${by} set ${company} to ${label(status)}${time}.` : `${by} removed ${company}${time}.`;
  });
  find(".wrong", dialogElement()).textContent = `Nothing was changed. ${sentences.join(" ")}`;
  if (inDialog("[data-count]")) showSelectedCount();
  (inDialog(".button.main:enabled") ?? inDialog("[data-close]"))?.focus();
}

/**
 * Shows an error next to the button that was pressed, because a dialog would hide a toast.
 * @param {unknown} error
 */
function report(error) {
  if (!(error instanceof RequestError)) throw error;
  const message = document.querySelector("#review[open] .wrong");
  if (message) message.textContent = error.message;
  else toast(error.message, { wrong: true });
}
