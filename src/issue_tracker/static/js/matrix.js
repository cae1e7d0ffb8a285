// The matrix as a grid (WAI-ARIA): arrow keys move, Enter or a press opens the menu of statuses, or folds a group of
// companies. Tab reaches one element of the grid, a cell or the link of a head. matrix-selection.js selects cells.
import { all, targetOf } from "./elements.js";
import {
  clearCells,
  continueRange,
  extendRange,
  startRange,
  tickHead,
  toggleCell,
  useGrid,
} from "./matrix-selection.js";
import { startCounts } from "./matrix-counts.js";
import { startPointer } from "./matrix-pointer.js";
import { startTip } from "./matrix-tip.js";
import { startWidth } from "./matrix-width.js";
import { headOf, placeOf, placesNamed } from "./places.js";
import { openMenu } from "./status-menu.js";

/** @typedef {HTMLTableCellElement} Cell */

const STEPS = /** @type {Record<string, [number, number]>} */ ({
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0],
});

const focusStop = {
  /** @type {HTMLTableElement | null} */
  grid: null,
  /** @type {HTMLElement | null} the element that Tab reaches: a cell or the link of a head */
  active: null,
  /** @type {HTMLElement | null} the cell that had the focus last; j and k return to it from a head */
  lastCell: null,
};

export function startMatrix() {
  document.addEventListener("selection-restored", (event) => {
    for (const on of /** @type {CustomEvent<string[]>} */ (event).detail) {
      const cell = placesNamed(on).find(({ element }) => element.matches("td"))?.element;
      if (cell) toggleCell(/** @type {Cell} */ (cell));
    }
  });
  prepare();
  startWidth();
  startPointer();
  startCounts();
  startTip();
  document.addEventListener("htmx:after:swap", prepare);
  matchMedia("(max-width: 800px)").addEventListener("change", fetchList);
  document.addEventListener("mousedown", keepTextUnselected);
  document.addEventListener("click", press);
  document.addEventListener("click", pressHead);
  document.addEventListener("keydown", pressKey);
  // The form is reset only after this event.
  document.addEventListener("reset", () => setTimeout(clearCells));
}

function prepare() {
  /** @type {HTMLTableElement | null} */
  const grid = document.querySelector(".matrix");
  if (grid !== focusStop.grid) {
    const cell = grid?.tBodies[0]?.rows[0]?.cells[1] ?? null;
    Object.assign(focusStop, { grid, active: cell, lastCell: cell });
    useGrid();
    cell?.setAttribute("tabindex", "0");
    if (grid) for (const link of all("th a", grid)) link.tabIndex = -1;
  }
  fetchList();
}

/** On a narrow screen, loads the list of the same issues, which is shown instead, and the link to its next page. */
function fetchList() {
  /** @type {HTMLElement | null} */
  const narrow = document.querySelector(".matrix-narrow[data-list]");
  const list = narrow?.dataset.list;
  if (!list || !narrow.checkVisibility() || !window.htmx) return;
  delete narrow.dataset.list;
  window.htmx.ajax("GET", list, {
    target: ".matrix-narrow",
    select: "#results .list, #results .pages",
    swap: "innerHTML",
  });
}

/* ---- focus ---- */

/** @param {Cell} cell */
function activate(cell) {
  /** @type {HTMLElement} */
  const stop = cell.querySelector("a") ?? cell;
  if (stop !== focusStop.active) {
    if (focusStop.active) focusStop.active.tabIndex = -1;
    if (stop === cell) {
      // While a head has the focus, the cell that had it last keeps its tabindex, by which j and k find it.
      focusStop.lastCell?.removeAttribute("tabindex");
      focusStop.lastCell = cell;
    }
    stop.tabIndex = 0;
    focusStop.active = stop;
  }
  stop.focus({ preventScroll: true });
  reveal(cell);
}

/** @param {Cell} cell */
function reveal(cell) {
  if (cell.matches("thead th")) return revealHead(cell);
  (cell.matches("th") ? (cell.parentElement ?? cell) : cell).scrollIntoView({ block: "nearest", inline: "nearest" });
}

/**
 * Scrolls a head into view. It sticks to the upper edge, so only horizontal scrolling is needed, unlike in
 * scrollIntoView.
 * @param {Cell} head
 */
function revealHead(head) {
  const frame = head.closest(".matrix-frame");
  const corner = head.parentElement?.firstElementChild;
  if (!frame || !corner) return;
  frame.scrollIntoView({ block: "nearest" });
  const box = head.getBoundingClientRect();
  const start = corner.getBoundingClientRect().right;
  const limit = frame.getBoundingClientRect().left + frame.clientLeft + frame.clientWidth;
  if (box.left < start) frame.scrollLeft -= start - box.left;
  else if (box.right > limit) frame.scrollLeft += box.right - limit;
}

/* ---- mouse and keys ---- */

/** @param {Cell} cell */
function openMenuAt(cell) {
  const place = placeOf(cell);
  if (place) openMenu(place);
  else headOf(cell)?.querySelector("a")?.click();
}

/**
 * With Shift, a press selects cells, and not the text of all names between two presses.
 * @param {MouseEvent} event
 */
function keepTextUnselected(event) {
  if (event.shiftKey && targetOf(event).closest(".matrix td")) event.preventDefault();
}

/** @param {MouseEvent} event */
function press(event) {
  /** @type {Cell | null} */
  const cell = targetOf(event).closest(".matrix td");
  if (!cell) return;
  activate(cell);
  if (event.shiftKey) return extendRange(cell);
  if (event.ctrlKey || event.metaKey) return toggleCell(cell);
  startRange(cell);
  openMenuAt(cell);
}

/** @param {MouseEvent} event */
function pressHead(event) {
  const box = event.target;
  if (box instanceof HTMLInputElement && box.matches(".matrix th input")) tickHead(box, event.shiftKey);
}

/** @param {KeyboardEvent} event */
function pressKey(event) {
  /** @type {Cell | null} */
  const cell = targetOf(event).closest(".matrix :is(td, th)");
  if (!cell || event.altKey) return;
  const head = cell.matches("th");
  const next = destination(event, cell);
  if (next === undefined) {
    if (head ? pressKeyOnHead(event, cell) : pressKeyOnCell(event, cell)) event.preventDefault();
    return;
  }
  event.preventDefault();
  const extend = event.shiftKey && !head;
  if (!next || next.matches(extend ? "th" : ".corner")) return;
  if (extend) continueRange(cell);
  activate(next);
  if (extend) extendRange(next);
}

/**
 * Returns the cell to which a key moves: null at the edge of the grid, undefined for other keys.
 * @param {KeyboardEvent} event
 * @param {Cell} cell
 * @returns {Cell | null | undefined}
 */
function destination(event, cell) {
  const row = /** @type {HTMLTableRowElement} */ (cell.parentElement);
  const rows = /** @type {HTMLTableElement} */ (cell.closest("table")).rows;
  const step = STEPS[event.key];
  if (step) return rows[row.rowIndex + step[0]]?.cells[cell.cellIndex + step[1]] ?? null;
  if (event.key === "Home") return rows[event.ctrlKey ? 1 : row.rowIndex]?.cells[1] ?? null;
  if (event.key === "End") {
    return rows[event.ctrlKey ? rows.length - 1 : row.rowIndex]?.cells[row.cells.length - 1] ?? null;
  }
  return undefined;
}

/**
 * Returns whether the key was handled.
 * @param {KeyboardEvent} event
 * @param {Cell} cell
 */
function pressKeyOnCell(event, cell) {
  if (event.key === "Enter") openMenuAt(cell);
  else if (!isSelectKey(event)) return false;
  else if (event.shiftKey) extendRange(cell);
  else toggleCell(cell);
  return true;
}

/**
 * Returns whether the key was handled. Browsers handle Enter on a focused link and Space on a focused box.
 * @param {KeyboardEvent} event
 * @param {Cell} head
 */
function pressKeyOnHead(event, head) {
  const [link, box] = [head.querySelector("a"), head.querySelector("input")];
  if (!link || !box) return false;
  if (event.key === "Enter" && event.target === box) link.click();
  else if (!isSelectKey(event) || (event.key === " " && event.target !== link)) return false;
  else {
    box.checked = event.shiftKey || !box.checked;
    tickHead(box, event.shiftKey);
  }
  return true;
}

/** @param {KeyboardEvent} event */
const isSelectKey = ({ key }) => key === " " || key === "x" || key === "X";
