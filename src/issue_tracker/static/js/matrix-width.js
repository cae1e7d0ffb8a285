// The width of the matrix's first column: set by dragging or with arrow keys, and stored in this browser.
import { targetOf } from "./elements.js";

const STORED = "matrix-first-column";
const STEP = 16;
const LEAST = 160;
const MOST = 960;

export function startWidth() {
  prepare();
  document.addEventListener("htmx:after:swap", prepare);
  document.addEventListener("pointerdown", drag);
  // Handled before the grid, in which these keys move between cells.
  document.addEventListener("keydown", press, { capture: true });
}

/** @returns {HTMLElement | null} */
const separator = () => document.querySelector(".matrix .width");

function prepare() {
  const stored = Number(localStorage.getItem(STORED));
  if (stored) return set(stored);
  const element = separator();
  if (element) element.setAttribute("aria-valuenow", String(present(element)));
}

/** @param {Element} element */
const present = (element) => Math.round(element.closest("th")?.getBoundingClientRect().width ?? 0);

/** @param {number} width */
function set(width) {
  const element = separator();
  const limited = Math.round(Math.min(MOST, Math.max(LEAST, width)));
  /** @type {HTMLElement | null | undefined} */
  const frame = element?.closest(".matrix-frame");
  frame?.style.setProperty("--first", `${limited}px`);
  element?.setAttribute("aria-valuenow", String(limited));
}

const store = () => localStorage.setItem(STORED, separator()?.getAttribute("aria-valuenow") ?? "");

/** @param {PointerEvent} event */
function drag(event) {
  /** @type {HTMLElement | null} */
  const element = targetOf(event).closest(".matrix .width");
  if (!element || event.button !== 0) return;
  event.preventDefault();
  element.focus();
  element.setPointerCapture(event.pointerId);
  const offset = present(element) - event.clientX;
  /** @param {PointerEvent} moved */
  const move = (moved) => set(moved.clientX + offset);
  element.addEventListener("pointermove", move);
  element.addEventListener(
    "lostpointercapture",
    () => {
      element.removeEventListener("pointermove", move);
      store();
    },
    { once: true },
  );
}

/** @param {KeyboardEvent} event */
function press(event) {
  const element = targetOf(event).closest(".matrix .width");
  if (!element) return;
  const width = present(element);
  const wanted = { ArrowLeft: width - STEP, ArrowRight: width + STEP, Home: LEAST, End: MOST }[event.key];
  if (wanted === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  set(wanted);
  store();
}
