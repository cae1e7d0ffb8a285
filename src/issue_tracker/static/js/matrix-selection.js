// The selected cells of the matrix: single ones, ranges, and whole rows or columns by their heads.
import { all } from "./elements.js";
import { nameOfCell } from "./places.js";
import { showCount } from "./selection.js";

/** @typedef {HTMLTableCellElement} Cell */

const state = {
  /** The selected assignments, by their names in forms. @type {Set<string>} */
  selected: new Set(),
  /** The first and the last cell of the current range. @type {Cell | null} */
  anchor: null,
  /** @type {Cell | null} */
  end: null,
  /** The cells that the current range has selected, and unselects again when it shrinks. @type {Set<Cell>} */
  added: new Set(),
  /** The head whose box was changed last: a range of rows or columns begins there. @type {Cell | null} */
  headAnchor: null,
};

/** Forgets everything about an earlier grid. */
export function useGrid() {
  state.selected.clear();
  state.headAnchor = null;
  startRange(null);
}

/**
 * Begins a range at a cell.
 * @param {Cell | null} cell
 */
export function startRange(cell) {
  state.anchor = state.end = cell;
  state.added = new Set();
}

/**
 * Continues the current range if it ends at this cell, and begins a new one otherwise.
 * @param {Cell} cell
 */
export function continueRange(cell) {
  if (cell !== state.end) startRange(cell);
}

/**
 * Selects all cells from the anchor to this one, and unselects the others that this range had selected before.
 * @param {Cell} cell
 */
export function extendRange(cell) {
  if (!state.anchor?.isConnected) startRange(cell);
  const inside = rectangle(state.anchor ?? cell, cell);
  for (const each of state.added) if (!inside.has(each)) select(each, false);
  state.added = new Set([...inside].filter((each) => state.added.has(each) || !each.hasAttribute("aria-selected")));
  for (const each of state.added) select(each, true);
  state.end = cell;
  publish();
}

/** @param {Cell} cell */
export function toggleCell(cell) {
  select(cell, !cell.hasAttribute("aria-selected"));
  startRange(cell);
  publish();
}

/**
 * Selects or unselects the row or column of a head's checkbox; with `range`, all since the last one. Only cells of
 * affected companies are included; an empty cell must be selected individually.
 * @param {HTMLInputElement} box
 * @param {boolean} range
 */
export function tickHead(box, range) {
  const head = /** @type {Cell} */ (box.closest("th"));
  const rows = rowsOf(head);
  const byRow = box.matches("[data-row]");
  const heads = byRow ? rows.map((row) => row.cells[0]) : [...rowOf(head).cells];
  const to = heads.indexOf(head);
  const from = range && state.headAnchor ? heads.indexOf(state.headAnchor) : -1;
  const [start, end] = from < 0 ? [to, to] : [Math.min(from, to), Math.max(from, to)];
  for (const each of heads.slice(start, end + 1)) {
    const own = each?.querySelector("input");
    if (!each || !own) continue;
    own.checked = box.checked;
    const cells = byRow ? [...rowOf(each).cells].slice(1) : rows.map((row) => row.cells[each.cellIndex]);
    for (const cell of cells) if (cell?.hasAttribute("aria-label")) select(cell, box.checked);
  }
  state.headAnchor = head;
  publish();
}

export function clearCells() {
  state.added = new Set();
  if (!state.selected.size) return;
  state.selected.clear();
  for (const cell of all(".matrix [aria-selected]")) cell.removeAttribute("aria-selected");
  publish();
}

/** @param {Cell} cell */
const rowOf = (cell) => /** @type {HTMLTableRowElement} */ (cell.parentElement);

/**
 * The rows of a cell's table, without its head.
 * @param {Cell} cell
 */
const rowsOf = (cell) => [...(cell.closest("table")?.tBodies ?? [])].flatMap((body) => [...body.rows]);

/**
 * @param {Cell} from
 * @param {Cell} to
 * @returns {Set<Cell>}
 */
function rectangle(from, to) {
  const rows = rowsOf(to);
  const [top = 0, bottom = 0] = [rows.indexOf(rowOf(from)), rows.indexOf(rowOf(to))].sort((a, b) => a - b);
  const [left = 0, right = 0] = [from.cellIndex, to.cellIndex].sort((a, b) => a - b);
  return new Set(rows.slice(top, bottom + 1).flatMap((row) => [...row.cells].slice(left, right + 1)));
}

/**
 * @param {Cell} cell
 * @param {boolean} selected
 */
function select(cell, selected) {
  const on = nameOfCell(cell);
  if (!on) return;
  if (selected) {
    state.selected.add(on);
    cell.setAttribute("aria-selected", "true");
  } else {
    state.selected.delete(on);
    cell.removeAttribute("aria-selected");
  }
}

/** Writes the selection into the form, as hidden fields. */
function publish() {
  const inputs = [...state.selected].map((value) => {
    const input = document.createElement("input");
    return Object.assign(input, { type: "hidden", name: "on", value });
  });
  document.getElementById("cells")?.replaceChildren(...inputs);
  showCount();
}
