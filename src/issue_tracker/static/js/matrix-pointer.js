// Marks the current position in the matrix: a band over the column of the cell under the pointer, or else of the
// focused cell; the style sheet marks its row.
import { targetOf } from "./elements.js";
import { headOf } from "./places.js";

/** @typedef {HTMLTableCellElement} Cell */

export function startPointer() {
  document.addEventListener("pointerover", (event) => follow(cellAt(event) ?? focused()), { passive: true });
  document.addEventListener("focusin", (event) => follow(cellAt(event)));
  document.addEventListener("focusout", () => follow(null));
}

/**
 * @param {Event} event
 * @returns {Cell | null}
 */
const cellAt = (event) => targetOf(event).closest(".matrix :is(td, thead th:not(.corner))");

/** @returns {Cell | null} */
const focused = () => document.activeElement?.closest(".matrix td") ?? null;

/**
 * Draws the band over the column of a cell; null removes it.
 * @param {Cell | null} cell
 */
function follow(cell) {
  /** @type {HTMLElement | null} */
  const band = document.querySelector(".matrix-frame .crosshair");
  if (!band) return;
  const head = cell && headOf(cell);
  // All sizes are read before anything is written, which avoids an additional layout of the table.
  const [left, width] = head ? [head.offsetLeft, head.offsetWidth] : [0, 0];
  const marked = document.querySelector(".matrix thead th.at");
  if (marked !== head) {
    marked?.classList.remove("at");
    head?.classList.add("at");
  }
  band.hidden = !head;
  band.style.left = `${left}px`;
  band.style.width = `${width}px`;
}
