// The tooltip of a cell in the matrix, on hover or focus: issue, company, status and its duration, owner, last update.
// It stays while the pointer is on the cell or on the tooltip, or the cell has the focus; Escape closes it without
// moving either (WCAG 1.4.13).
import { RequestError, send } from "./api.js";
import { targetOf } from "./elements.js";
import { placeOf } from "./places.js";
import { showTimes } from "./times.js";

/** @typedef {HTMLTableCellElement} Cell */

/** Milliseconds until the tooltip of a cell opens, so that nothing flickers under a moving pointer. */
const DELAY = 500;
/** Maximum number of milliseconds that the pointer takes to move from a cell to its tooltip. */
const WAY = 200;
const GAP = 6;

const state = {
  /** The cell whose tooltip is open or is about to open. @type {Cell | null} */
  cell: null,
  /** A cell that was pressed: its tooltip stays closed until the pointer returns. @type {Cell | null} */
  pressed: null,
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer: undefined,
};

export function startTip() {
  document.addEventListener("pointerover", point, { passive: true });
  document.addEventListener("focusin", (event) => {
    const cell = cellAt(event);
    if (cell && cell !== state.pressed) soon(cell);
  });
  document.addEventListener("focusout", (event) => cellAt(event) === state.cell && close());
  document.addEventListener("pointerdown", (event) => {
    if (tipAt(event)) return;
    state.pressed = cellAt(event);
    close();
  });
  document.addEventListener("keydown", close, { capture: true });
  document.addEventListener("scroll", close, { capture: true, passive: true });
  document.addEventListener("htmx:before:swap", close);
}

/** @returns {HTMLElement | null} */
const tip = () => document.getElementById("cell-tip");

/**
 * @param {Event} event
 * @returns {Cell | null}
 */
const cellAt = (event) => targetOf(event).closest(".matrix td");

/** @param {Event} event */
const tipAt = (event) => targetOf(event).closest("#cell-tip");

/** @param {PointerEvent} event */
function point(event) {
  if (event.pointerType === "touch") return;
  const cell = cellAt(event);
  if (cell !== state.pressed) state.pressed = null;
  if (tipAt(event)) clearTimeout(state.timer);
  else if (cell && cell !== state.cell && cell !== state.pressed) soon(cell);
  else if (!cell && state.cell && state.cell !== document.activeElement) after(WAY, close);
}

/**
 * @param {number} milliseconds
 * @param {() => void} run
 */
function after(milliseconds, run) {
  clearTimeout(state.timer);
  state.timer = setTimeout(run, milliseconds);
}

/** @param {Cell} cell */
function soon(cell) {
  close();
  state.cell = cell;
  after(DELAY, () => void speak(cell));
}

function close() {
  clearTimeout(state.timer);
  state.cell?.removeAttribute("aria-describedby");
  state.cell = null;
  const element = tip();
  if (element) element.hidden = true;
}

/** @param {Cell} cell */
async function speak(cell) {
  const [element, place] = [tip(), placeOf(cell)];
  if (!element || !place || document.querySelector("dialog[open], :popover-open")) return;
  try {
    const headers = { Accept: "text/html", "X-Fragment": "1" };
    // A pointer that rests on a cell must not open the dialog for signing in.
    const url = `/matrix/cell?${new URLSearchParams({ on: place.on })}`;
    const { data } = await send("GET", url, undefined, headers, { prompt: false });
    if (state.cell !== cell) return;
    element.innerHTML = data;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (state.cell !== cell) return;
    element.textContent = error.message;
  }
  showTimes();
  element.hidden = false;
  put(element, cell.getBoundingClientRect());
  cell.setAttribute("aria-describedby", element.id);
}

/**
 * Places the tooltip below the cell, or above it if there is no room.
 * @param {HTMLElement} element
 * @param {DOMRect} box
 */
function put(element, box) {
  const { offsetWidth: width, offsetHeight: height } = element;
  const below = box.bottom + GAP;
  element.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  element.style.top = `${below + height < innerHeight ? below : Math.max(8, box.top - height - GAP)}px`;
}
