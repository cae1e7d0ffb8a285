// The matrix as a grid: arrows move, Enter or a press opens the menu, Ctrl, Shift, x and the heads select cells.
import { placeOf } from "./places.js";
import { openMenu } from "./quick-change.js";
import { count } from "./selection.js";

const chosen = new Set();
let active = null;
let anchor = null;

export function startMatrix() {
  prepare();
  document.addEventListener("htmx:after:swap", prepare);
  document.addEventListener("click", press);
  document.addEventListener("change", heads);
  document.addEventListener("keydown", move);
  document.addEventListener("reset", () => setTimeout(clear));
}

function prepare() {
  const table = document.querySelector(".matrix");
  chosen.clear();
  anchor = null;
  active = table?.tBodies[0]?.rows[0]?.cells[1] ?? null;
  active?.setAttribute("tabindex", "0");
  const narrow = document.querySelector(".matrix-narrow[data-list]");
  if (narrow?.checkVisibility() && window.htmx) {
    const { list } = narrow.dataset;
    delete narrow.dataset.list;
    htmx.ajax("GET", list, { target: ".matrix-narrow", select: "#results .list", swap: "innerHTML" });
  }
}

const rowsOf = (table) => [...table.tBodies].flatMap((body) => [...body.rows]);

function activate(cell) {
  active?.removeAttribute("tabindex");
  active = cell;
  cell.setAttribute("tabindex", "0");
  cell.focus();
  cell.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function press(event) {
  const cell = event.target.closest(".matrix td");
  if (!cell) return;
  activate(cell);
  if (event.shiftKey) return range(cell);
  if (event.ctrlKey || event.metaKey) return toggle(cell);
  openMenu(placeOf(cell));
}

function move(event) {
  const cell = event.target.closest?.(".matrix td");
  if (!cell || event.altKey) return;
  const table = cell.closest("table");
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  const step = steps[event.key];
  const rows = rowsOf(table);
  const at = rows.indexOf(cell.parentElement);
  let next = null;
  if (step) next = rows[at + step[0]]?.cells[cell.cellIndex + step[1]];
  else if (event.key === "Home") next = rows[event.ctrlKey ? 0 : at].cells[1];
  else if (event.key === "End") next = rows[event.ctrlKey ? rows.length - 1 : at].cells[cell.parentElement.cells.length - 1];
  else if (event.key === "Enter") openMenu(placeOf(cell));
  else if (event.key === " " || event.key === "x" || event.key === "X") event.shiftKey ? range(cell) : toggle(cell);
  else return;
  event.preventDefault();
  if (next?.matches("td")) {
    if (step && event.shiftKey && !anchor) anchor = cell;
    activate(next);
    if (step && event.shiftKey) range(next);
  }
}

function choose(cell, on) {
  const { on: id } = placeOf(cell);
  if (on) chosen.add(id);
  else chosen.delete(id);
  if (on) cell.setAttribute("aria-selected", "true");
  else cell.removeAttribute("aria-selected");
}

function toggle(cell) {
  choose(cell, !cell.hasAttribute("aria-selected"));
  anchor = cell;
  publish();
}

function range(cell) {
  const table = cell.closest("table");
  const rows = rowsOf(table);
  const from = anchor?.isConnected ? anchor : active;
  const [top, bottom] = [rows.indexOf(from.parentElement), rows.indexOf(cell.parentElement)].sort((a, b) => a - b);
  const [left, right] = [from.cellIndex, cell.cellIndex].sort((a, b) => a - b);
  for (const row of rows.slice(top, bottom + 1)) {
    for (let column = left; column <= right; column += 1) choose(row.cells[column], true);
  }
  anchor = from;
  publish();
}

// A whole row or column: those of its cells that are affected; an empty one is added by picking it itself.
function heads(event) {
  const box = event.target;
  if (!box.matches?.(".matrix [data-row], .matrix [data-column]")) return;
  const table = box.closest("table");
  const cells = box.matches("[data-row]")
    ? [...box.closest("tr").cells].slice(1)
    : rowsOf(table).map((row) => row.cells[box.closest("th").cellIndex]);
  for (const cell of cells) if (cell.hasAttribute("aria-label")) choose(cell, box.checked);
  publish();
}

function clear() {
  if (!chosen.size) return;
  chosen.clear();
  for (const cell of document.querySelectorAll(".matrix [aria-selected]")) cell.removeAttribute("aria-selected");
  publish();
}

function publish() {
  const place = document.getElementById("cells");
  place.replaceChildren(...[...chosen].map((id) => Object.assign(document.createElement("input"), { type: "hidden", name: "on", value: id })));
  count();
}
