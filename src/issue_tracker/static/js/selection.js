// Selecting rows: one, a range with Shift, all of an issue, all of a table. Shows in the bulk bar how many are
// selected.
import { all, byId } from "./elements.js";

const BOXES = "#selection input[name=on][type=checkbox]";

/**
 * The box that was ticked last: a range begins there.
 * @type {HTMLInputElement | null}
 */
let anchor = null;

const visibleBoxes = () => all(BOXES, document, HTMLInputElement).filter((box) => box.checkVisibility());

/** @returns {HTMLFormElement | null} */
const selectionForm = () => document.querySelector("form#selection");

export function startSelection() {
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement)) return;
    if (box.matches("[data-all]")) tickAll(box);
    else if (box.matches(BOXES)) tick(box, event.shiftKey);
  });
  // The form is reset only after this event.
  document.addEventListener("reset", () => setTimeout(showCount));
  document.addEventListener("htmx:after:swap", showCount);
  showCount();
}

/**
 * Completes the ticking of a box: with `range`, all boxes since the last one take its state.
 * @param {HTMLInputElement} box
 * @param {boolean} range
 */
export function tick(box, range) {
  if (range && anchor?.isConnected) {
    const boxes = visibleBoxes();
    const [from = -1, to = -1] = [boxes.indexOf(anchor), boxes.indexOf(box)].sort((a, b) => a - b);
    if (from >= 0) for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  anchor = box;
  showCount();
}

/**
 * The boxes that a box for all of them controls: those of its issue or, in the head, of its table.
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

/** Shows how many rows and cells are selected, and which of the boxes for all are ticked in part. */
export function showCount() {
  const form = selectionForm();
  if (!form) return;
  for (const box of all("input[data-all]", form, HTMLInputElement)) {
    const boxes = boxesOf(box);
    const ticked = boxes.filter((each) => each.checked).length;
    box.checked = boxes.length > 0 && ticked === boxes.length;
    box.indeterminate = ticked > 0 && ticked < boxes.length;
    box.disabled = boxes.length === 0;
  }
  const count = all("input[name=on]:checked, #cells input", form).length;
  document.body.classList.toggle("has-selection", count > 0);
  if (!document.getElementById("picked")) return;
  const output = byId("picked");
  const text = `${count} selected`;
  // Writing the same text again would make screen readers repeat it.
  if (output.textContent !== text) output.textContent = text;
}
