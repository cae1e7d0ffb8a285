// Preserves the state of the results (checked boxes, entered texts, open folds, focus, scroll position) when they are
// replaced by newer ones.
import { all, byId, isEdited, targetOf } from "./elements.js";
import { recordFolds } from "./folds.js";
import { headOf, placeOf, placesNamed } from "./places.js";
import { showCount } from "./selection.js";

/**
 * Finds the element that had the focus last. The button that shows the updates is ignored, because it disappears when
 * the results are replaced.
 * @type {(() => HTMLElement | null | undefined) | null}
 */
let findFocused = null;

export function startRestore() {
  document.addEventListener("focusin", (event) => {
    const element = targetOf(event);
    if (element.id !== "updates") findFocused = element.closest("#results") ? finderOf(element) : null;
  });
}

/** Records the state of the results. Returns a function that restores it in the new results. */
export function record() {
  const before = byId("results");
  const checked = new Set(all("[name=on]:checked", before, HTMLInputElement).map((box) => box.value));
  const cells = all("#cells input", before, HTMLInputElement).map((input) => input.value);
  const note = noteField(before)?.value;
  const entered = all(DRAFT_FIELDS, before, HTMLInputElement)
    .map(entryOf)
    .filter((entry) => entry !== null);
  const restoreFolds = recordFolds(before);
  const frame = before.querySelector(".matrix-frame");
  const page = { left: scrollX, top: scrollY };
  const matrix = { left: frame?.scrollLeft ?? 0, top: frame?.scrollTop ?? 0 };
  const focused = before.contains(document.activeElement) || document.activeElement?.id === "updates";
  return () => {
    const results = byId("results");
    for (const box of all("[name=on][type=checkbox]", results, HTMLInputElement)) box.checked = checked.has(box.value);
    for (const on of cells) selectCell(cellNamed(on));
    const field = noteField(results);
    if (field && note) field.value = note;
    for (const enter of entered) enter();
    restoreFolds(results);
    if (focused) restoreFocus(results);
    results.querySelector(".matrix-frame")?.scrollTo(matrix);
    scrollTo(page);
    showCount();
  };
}

/**
 * @param {Element} results
 * @returns {HTMLInputElement | null}
 */
const noteField = (results) => results.querySelector(".bulk [name=note]");

/** The fields of forms that users fill in; the bulk bar is not one of them. */
const DRAFT_FIELDS = "form[data-draft] :is(input, textarea, select)";

/**
 * Returns a function that enters in new results what the user has entered in a field; null if that is nothing.
 * @param {HTMLInputElement} field
 */
function entryOf(field) {
  const { name, type, value, checked } = field;
  const touched = field.form?.matches("[data-touched]");
  if (!name || type === "hidden" || !(touched || isEdited(field))) return null;
  const selector = `form[data-draft="${CSS.escape(field.form?.dataset.draft ?? "")}"] [name="${CSS.escape(name)}"]`;
  const number = all(selector).indexOf(field);
  return () => {
    const fresh = all(selector, document, HTMLInputElement)[number];
    if (fresh && ["checkbox", "radio"].includes(type)) fresh.checked = checked;
    else if (fresh) fresh.value = value;
  };
}

/** @param {string} on */
const cellNamed = (on) => placesNamed(on).find(({ element }) => element.matches("td"))?.element;

/**
 * Selects a cell by simulating the key for it, because only the grid knows which of its cells are selected.
 * @param {HTMLElement} [cell]
 */
const selectCell = (cell) =>
  cell?.dispatchEvent(new KeyboardEvent("keydown", { key: "x", bubbles: true, cancelable: true }));

/** @param {HTMLElement} results */
function restoreFocus(results) {
  const element = findFocused?.() ?? results;
  if (!element.matches("a, button, input, summary")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/**
 * Returns a function that finds, in new results, the counterpart of an element of the current ones.
 * @param {Element} element
 * @returns {() => HTMLElement | null | undefined}
 */
function finderOf(element) {
  if (element.id) {
    const { id } = element;
    return () => document.getElementById(id);
  }
  if (element.matches("td.g")) {
    const { issue } = /** @type {HTMLElement} */ (element.parentElement).dataset;
    const group = headOf(/** @type {HTMLTableCellElement} */ (element))?.dataset.group;
    const cells = () => all(`.matrix tr[data-issue="${issue}"] td`, document, HTMLTableCellElement);
    return () => cells().find((cell) => headOf(cell)?.dataset.group === group);
  }
  if (element.matches("td")) {
    const on = placeOf(element)?.on ?? "";
    return () => cellNamed(on);
  }
  const value = element instanceof HTMLButtonElement ? element.value : "";
  const kinds = ["a", ".status", "[name=note]", `button[value="${CSS.escape(value)}"]`, "input"];
  const kind = kinds.find((each) => element.matches(each));
  if (!kind) return () => null;
  const selector = `#results ${scopeOf(element)} ${kind}`;
  const number = all(selector).findIndex((each) => each === element);
  return () => all(selector)[number] ?? null;
}

/**
 * Returns the selector of the part of the results that contains an element: the head of an issue, of a company or of a
 * group, a cell of a row, or the bulk bar.
 * @param {Element} element
 */
function scopeOf(element) {
  /** @type {HTMLElement | null} */
  const column = element.closest("th[data-group], th[data-company]");
  if (column?.dataset.group) return `th[data-group="${column.dataset.group}"]`;
  if (column) return `th[data-company="${column.dataset.company}"]`;
  /** @type {HTMLElement | null | undefined} */
  const issue = element.closest("th")?.closest("[data-issue]");
  if (issue) return `[data-issue="${issue.dataset.issue}"] th`;
  const cell = element.closest("tr[data-on] > td");
  if (!cell) return ".bulk";
  const { on } = /** @type {HTMLElement} */ (cell.parentElement).dataset;
  return `tr[data-on="${on}"] > .${cell.classList[0]}`;
}
