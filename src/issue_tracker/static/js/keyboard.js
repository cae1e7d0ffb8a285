// Keyboard shortcuts; the dialog `help` lists them. They are off while someone types (only Escape leaves a filter) and
// while a dialog is open.
import { all, byId, targetOf } from "./elements.js";
import { placeOf } from "./places.js";
import { change, undoLast } from "./quick-change.js";
import { clearSelection, tick } from "./selection.js";
import { STATUSES } from "./statuses.js";

const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";

export function startKeyboard() {
  if (!document.getElementById("help-button")) return; // the pages of whoever does not work at the helpdesk
  const help = byId("help", HTMLDialogElement);
  byId("help-button").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {HTMLElement | null} */
    const field = targetOf(event).closest(TYPING);
    if (field) return leave(event, field);
    if (document.querySelector("dialog[open], :popover-open")) return;
    if (run(event, help)) event.preventDefault();
  });
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
  field.blur();
}

/**
 * Does what the key is for. Returns whether it has a meaning here.
 * @param {KeyboardEvent} event
 * @param {HTMLDialogElement} help
 */
function run(event, help) {
  const from = targetOf(event);
  const place = placeOf(from);
  const chosen = STATUSES.find((status) => status.key === event.key);
  if (chosen && place) {
    change(place, chosen.value);
    return true;
  }
  switch (event.key) {
    case "/":
      return focusSearch();
    case "?":
      help.showModal();
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
      return place !== null && tickRow(place.element, event.shiftKey);
    case "u":
      return undoLast();
    case "Escape":
      clearSelection();
      return true;
    default:
      return false;
  }
}

function focusSearch() {
  if (!document.getElementById("search")) return false;
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
  return status ? focus(status) : false;
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
function tickRow(row, range) {
  /** @type {HTMLInputElement | null} */
  const box = row.querySelector("input[name=on]");
  if (!box) return false;
  box.checked = range || !box.checked;
  tick(box, range);
  return true;
}
