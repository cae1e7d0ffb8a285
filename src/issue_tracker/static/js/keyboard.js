// Keyboard shortcuts; the dialog `help` lists them. They are off while the focus is in a text field (only Escape leaves
// a filter) and while a dialog is open. Those of a single key can be switched off, for users who speak (WCAG 2.1.4).
import { all, byId, find, targetOf } from "./elements.js";
import { NOT_AFFECTED, placeOf } from "./places.js";
import { change, undoLast } from "./quick-change.js";
import { reviewRemoval } from "./review.js";
import { applyChange, clearSelection, submitSelection } from "./selection.js";
import { STATUSES } from "./statuses.js";
import { storeChoice } from "./theme.js";

const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";

export function startKeyboard() {
  if (!document.getElementById("help-button")) return; // pages for users outside the helpdesk
  const help = byId("help", HTMLDialogElement);
  byId("find-button").addEventListener("click", (event) => {
    if (!event.ctrlKey && !event.metaKey) quickFind(event);
  });
  byId("help-button").addEventListener("click", () => {
    byId("single-keys", HTMLInputElement).checked = !areOff();
    help.showModal();
  });
  byId("single-keys", HTMLInputElement).addEventListener("change", ({ target }) => {
    storeChoice("keys", target instanceof HTMLInputElement && target.checked ? "on" : "off");
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey) return;
    /** @type {HTMLElement | null} */
    const field = targetOf(event).closest(TYPING);
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "Enter") submit(event);
      else if (keyOf(event) === "k" && !document.querySelector("dialog[open]")) quickFind(event);
      return;
    }
    if (field) return leave(event, field);
    if (document.querySelector("dialog[open], :popover-open")) return;
    if (event.key !== "Escape" && areOff()) return;
    if (run(event)) event.preventDefault();
  });
}

/**
 * Returns the key, of a letter without Caps Lock.
 * @param {KeyboardEvent} event
 */
const keyOf = ({ key, shiftKey }) => (key.length > 1 || shiftKey ? key : key.toLowerCase());

/** Returns whether the shortcuts of a single key are switched off in this browser. */
const areOff = () => /(^|; |__Host-)keys=off(;|$)/.test(document.cookie);

/**
 * Ctrl+Enter submits the form of the focused field or box, with its main button.
 * @param {KeyboardEvent} event
 */
function submit(event) {
  const form = targetOf(event).closest("input, textarea, select")?.closest("form");
  /** @type {HTMLButtonElement | null | undefined} */
  const button = form?.querySelector("button.main:enabled");
  if (!form || !button) return;
  event.preventDefault();
  form.requestSubmit(button);
}

/**
 * Escape leaves a filter, so that the shortcuts work again. The typed text stays: without this, the browser would empty
 * a search field.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} field
 */
function leave(event, field) {
  if (event.key !== "Escape" || !field.closest("[role=search]")) return;
  event.preventDefault();
  const dialog = field.closest("dialog");
  if (dialog) dialog.close();
  else field.blur();
}

/**
 * Runs the shortcut of the key. Returns whether the key is a shortcut on this page.
 * @param {KeyboardEvent} event
 */
function run(event) {
  const from = targetOf(event);
  const place = placeOf(from);
  const chosen = event.key === "0" ? NOT_AFFECTED : STATUSES.find((status) => status.key === event.key)?.value;
  if (chosen && submitSelection(chosen)) return true;
  if (chosen && place) {
    if (chosen !== NOT_AFFECTED) change(place, chosen);
    else if (place.status) reviewRemoval(place);
    return true;
  }
  switch (keyOf(event)) {
    case "/":
      return focusSearch();
    case "?":
      byId("help-button").click();
      return true;
    case "n":
      location.assign("/issues/new");
      return true;
    case "j":
      return move(from, 1);
    case "k":
      return move(from, -1);
    case "o":
      if (place) location.assign(`/issues/${place.issueId}`);
      return place !== null;
    case "x":
    case "X":
      return place !== null && selectRow(place.element, event.shiftKey);
    case "u":
      return undoLast();
    case "r":
      return press("body.has-selection .bulk [name=everyone]") || press("#resolve");
    case "Escape":
      clearSelection();
      return true;
    default:
      return false;
  }
}

/**
 * Opens quick find. The dialog opens before its module has been loaded, so that no key is lost, including Enter.
 * @param {Event} [event]
 */
function quickFind(event) {
  event?.preventDefault();
  const dialog = byId("find", HTMLDialogElement);
  const module = import("./find.js");
  dialog.showModal();
  byId("find-text", HTMLInputElement).select();
  find("form", dialog, HTMLFormElement).onsubmit = (submitted) => {
    submitted.preventDefault();
    void module.then(({ followFirst }) => followFirst());
  };
  void module.then(({ startFind }) => startFind());
}

/**
 * Presses the button or link that matches the selector. Returns whether there is one.
 * @param {string} selector
 */
function press(selector) {
  /** @type {HTMLElement | null} */
  const target = document.querySelector(selector);
  target?.click();
  return target !== null;
}

function focusSearch() {
  if (!document.getElementById("search")) {
    quickFind();
    return true;
  }
  const search = byId("search", HTMLInputElement);
  search.focus();
  search.select();
  return true;
}

/**
 * Moves the focus to the next row (by 1) or the previous one (by -1); in the matrix, to the next or previous cell.
 * @param {Element} from
 * @param {1 | -1} by
 */
function move(from, by) {
  /** @type {HTMLElement | null} */
  const cell = document.querySelector(".matrix td[tabindex]");
  if (cell?.checkVisibility() && !from.closest(".list")) {
    if (!from.closest(".matrix")) return focus(cell);
    const key = by > 0 ? "ArrowDown" : "ArrowUp";
    from.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    return true;
  }
  const rows = all("tr[data-on]", document, HTMLTableRowElement).filter((row) => row.checkVisibility());
  const current = rows.findIndex((row) => row.contains(from));
  const start = by > 0 ? 0 : rows.length - 1;
  /** @type {HTMLElement | null | undefined} */
  const status = rows[current < 0 ? start : current + by]?.querySelector(".status");
  if (status || rows.length) return status ? focus(status) : false;
  return moveToLink(from, by);
}

/**
 * Does the same on pages whose rows have no status, such as the companies, the history, the handover or what was found:
 * focuses the first link of the row.
 * @param {Element} from
 * @param {1 | -1} by
 */
function moveToLink(from, by) {
  const rows = all(
    "main :is(.table tbody tr, .history > li, .story, .section:not(#history) > :is(ul, ol) > li)",
  ).filter((row) => row.querySelector("a"));
  const current = rows.findIndex((row) => row.contains(from));
  const start = by > 0 ? 0 : rows.length - 1;
  const link = rows[current < 0 ? start : current + by]?.querySelector("a");
  return link ? focus(link) : false;
}

/** @param {HTMLElement} element */
function focus(element) {
  element.focus();
  element.scrollIntoView({ block: "nearest" });
  return true;
}

/**
 * @param {HTMLElement} row
 * @param {boolean} range
 */
function selectRow(row, range) {
  /** @type {HTMLInputElement | null} */
  const box = row.querySelector("input[name=on]");
  if (!box) return false;
  box.checked = range || !box.checked;
  applyChange(box, range);
  return true;
}
