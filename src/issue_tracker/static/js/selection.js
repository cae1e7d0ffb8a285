// Selecting rows: one, a range with Shift, all of an issue, all of a table. Shows in the bulk bar how many are
// selected. The selection and the note of the bar survive a reload, in this tab.
import { all, byId, find, targetOf } from "./elements.js";

const BOXES = "#selection input[name=on][type=checkbox]";

/**
 * The box that was changed last: a range begins there.
 * @type {HTMLInputElement | null}
 */
let anchor = null;

/** Whether the page has selected rows itself, because its address names a company group. */
let preselected = false;

const visibleBoxes = () => all(BOXES, document, HTMLInputElement).filter((box) => box.checkVisibility());

/** @returns {HTMLFormElement | null} */
const selectionForm = () => document.querySelector("form#selection");

export function startSelection() {
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (targetOf(event).closest("#bulk-more")) unfoldBar(moreButton()?.ariaExpanded !== "true");
    if (!(box instanceof HTMLInputElement)) return;
    if (box.matches("[data-all]")) tickAll(box);
    else if (box.matches(BOXES)) applyChange(box, event.shiftKey);
  });
  // The form is reset only after this event.
  document.addEventListener("reset", () => setTimeout(showCount));
  document.addEventListener("htmx:after:swap", () => {
    takeOver();
    showCount();
  });
  document.addEventListener("input", (event) => {
    if (targetOf(event).matches(".bulk [name=note]")) store();
  });
  document.addEventListener("keydown", leaveNote);
  takeOver();
  restoreStored();
  showCount();
}

/** Makes the rows that the page has selected a selection of the user, which a reset clears like any other. */
function takeOver() {
  for (const box of all(BOXES, document, HTMLInputElement).filter((each) => each.defaultChecked)) {
    const { checked } = box;
    box.defaultChecked = false;
    box.checked = checked;
    preselected = true;
  }
}

/**
 * Enter in the note moves on to the statuses, as in the menu: otherwise it would press the first button, New.
 * @param {KeyboardEvent} event
 */
function leaveNote(event) {
  if (event.key !== "Enter" || event.isComposing || !targetOf(event).matches(".bulk [name=note]")) return;
  event.preventDefault();
  find(".bulk .statuses button").focus();
}

/** The key under which this tab stores the selection of this page; drafts.js removes it with all drafts. */
const storageKey = () => `draft-selection:${location.pathname}${location.search}`;

/** The key under which the selection was stored last: other filters change the address. */
let storedAs = storageKey();

/** @returns {HTMLInputElement | null} */
const noteField = () => document.querySelector("#selection .bulk [name=note]");

function store() {
  const form = selectionForm();
  if (!form) return;
  const key = storageKey();
  if (key !== storedAs) sessionStorage.removeItem(storedAs);
  storedAs = key;
  const on = all("input[name=on]:checked, #cells input", form, HTMLInputElement).map((input) => input.value);
  const note = noteField()?.value ?? "";
  if (on.length || note || preselected) sessionStorage.setItem(key, JSON.stringify({ on, note }));
  else sessionStorage.removeItem(key);
}

function restoreStored() {
  const stored = JSON.parse(sessionStorage.getItem(storageKey()) ?? "null");
  if (!stored) return;
  const selected = new Set(stored.on);
  const [arrival] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  // A link to a page that selects rows itself begins a new selection.
  if (!preselected || arrival?.type !== "navigate") {
    for (const box of all(BOXES, document, HTMLInputElement)) box.checked = selected.has(box.value);
  }
  const note = noteField();
  if (note && stored.note && !note.value) note.value = stored.note;
  document.dispatchEvent(new CustomEvent("selection-restored", { detail: stored.on }));
}

/**
 * Opens the confirmation for all selected rows. Returns whether any row is selected.
 * @param {string} status
 */
export function submitSelection(status) {
  /** @type {HTMLButtonElement | null | undefined} */
  const button = selectionForm()?.querySelector(`.bulk button[name=status][value="${status}"]`);
  if (!button || !document.body.classList.contains("has-selection")) return false;
  selectionForm()?.requestSubmit(button);
  return true;
}

/** The button that unfolds the bar on phones. */
const moreButton = () => document.getElementById("bulk-more");

/** @param {boolean} unfolded */
const unfoldBar = (unfolded) => moreButton()?.setAttribute("aria-expanded", String(unfolded));

/**
 * Sets the height of the bar for the elements that must not be covered by it or cover it. They do not pass it on to
 * others: the browser would compute the styles of all rows again.
 */
const barHeight = new ResizeObserver(([entry]) => {
  const height = `${Math.ceil(entry?.borderBoxSize[0]?.blockSize ?? 0)}px`;
  for (const element of all(":root, main, #toasts")) element.style.setProperty("--bulk-height", height);
});

/**
 * Applies the change of a box: with `range`, all boxes since the last one get the same state.
 * @param {HTMLInputElement} box
 * @param {boolean} range
 */
export function applyChange(box, range) {
  if (range && anchor?.isConnected) {
    const boxes = visibleBoxes();
    const [from = -1, to = -1] = [boxes.indexOf(anchor), boxes.indexOf(box)].sort((a, b) => a - b);
    if (from >= 0) for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  anchor = box;
  showCount();
}

/**
 * Returns the boxes that a “select all” box controls: those of its issue or, in the head, of its table.
 * @param {HTMLInputElement} box
 */
function boxesOf(box) {
  const scope = box.closest("tbody") ?? box.closest("table");
  return scope ? all("input[name=on]", scope, HTMLInputElement) : [];
}

/** @param {HTMLInputElement} box */
function tickAll(box) {
  for (const each of boxesOf(box)) each.checked = box.checked;
  showCount();
}

export function clearSelection() {
  const form = selectionForm();
  if (!form) return;
  form.reset();
  setTimeout(showCount);
}

/** Shows how many rows and cells are selected, and which “select all” boxes are partly checked. */
export function showCount() {
  const form = selectionForm();
  if (!form) return;
  for (const box of all("input[data-all]", form, HTMLInputElement)) {
    const boxes = boxesOf(box);
    const checked = boxes.filter((each) => each.checked).length;
    box.checked = boxes.length > 0 && checked === boxes.length;
    box.indeterminate = checked > 0 && checked < boxes.length;
    box.disabled = boxes.length === 0;
  }
  const count = all("input[name=on]:checked, #cells input", form).length;
  document.body.classList.toggle("has-selection", count > 0);
  if (!count) unfoldBar(false);
  store();
  barHeight.disconnect();
  const bar = document.getElementById("bulk");
  if (bar) barHeight.observe(bar);
  if (!document.getElementById("picked")) return;
  const output = byId("picked");
  const text = `${count} selected`;
  // Writing the same text again would make screen readers repeat it.
  if (output.textContent !== text) output.textContent = text;
}
