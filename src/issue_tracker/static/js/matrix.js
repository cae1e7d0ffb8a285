// The matrix as a grid: arrows move, Enter or a press opens the menu, Ctrl, Shift, x and the heads select cells. One
// element at a time can be reached with Tab: a cell, or the link of a head.
import { placeOf } from "./places.js";
import { openMenu } from "./quick-change.js";
import { count } from "./selection.js";

const chosen = new Set();
let grid = null;
let active = null;
let lastCell = null;
let headAnchor = null;

// A range reaches from its anchor to its end. `added` is what it selected, so that it can take that back when it shrinks.
let anchor = null;
let end = null;
let added = new Set();

export function startMatrix() {
  prepare();
  document.addEventListener("htmx:after:swap", prepare);
  matchMedia("(max-width: 800px)").addEventListener("change", fetchList);
  document.addEventListener("click", press);
  document.addEventListener("click", heads);
  document.addEventListener("keydown", move);
  document.addEventListener("reset", () => setTimeout(clear));
}

function prepare() {
  const table = document.querySelector(".matrix");
  if (table !== grid) {
    grid = table;
    chosen.clear();
    begin(null);
    headAnchor = null;
    active = lastCell = table?.tBodies[0]?.rows[0]?.cells[1] ?? null;
    active?.setAttribute("tabindex", "0");
    for (const link of table?.querySelectorAll("th a") ?? []) link.tabIndex = -1;
  }
  fetchList();
}

// What a narrow screen shows instead, as soon as it is narrow: the list of the same issues and the way to its next page.
function fetchList() {
  const narrow = document.querySelector(".matrix-narrow[data-list]");
  if (!narrow?.checkVisibility() || !window.htmx) return;
  const { list } = narrow.dataset;
  delete narrow.dataset.list;
  htmx.ajax("GET", list, { target: ".matrix-narrow", select: "#results .list, #results .pages", swap: "innerHTML" });
}

const rowsOf = (table) => [...table.tBodies].flatMap((body) => [...body.rows]);

function activate(cell) {
  const stop = cell.querySelector("a") ?? cell;
  if (stop !== active) {
    active.tabIndex = -1;
    if (stop === cell) {
      // While a head has the focus, j and k still find the cell that had it last.
      lastCell.removeAttribute("tabindex");
      lastCell = cell;
    }
    stop.tabIndex = 0;
    active = stop;
  }
  stop.focus({ preventScroll: true });
  reveal(cell);
}

// A head sticks to its edge: it is out of sight in the other direction only.
function reveal(cell) {
  if (!cell.matches("thead th")) return (cell.matches("th") ? cell.parentElement : cell).scrollIntoView({ block: "nearest", inline: "nearest" });
  const frame = cell.closest(".matrix-frame");
  frame.scrollIntoView({ block: "nearest" });
  const box = cell.getBoundingClientRect();
  const start = cell.parentElement.cells[0].getBoundingClientRect().right;
  const limit = frame.getBoundingClientRect().left + frame.clientLeft + frame.clientWidth;
  if (box.left < start) frame.scrollLeft -= start - box.left;
  else if (box.right > limit) frame.scrollLeft += box.right - limit;
}

function press(event) {
  const cell = event.target.closest(".matrix td");
  if (!cell) return;
  activate(cell);
  if (event.shiftKey) return range(cell);
  if (event.ctrlKey || event.metaKey) return toggle(cell);
  begin(cell);
  openMenu(placeOf(cell));
}

function move(event) {
  const cell = event.target.closest?.(".matrix :is(td, th)");
  if (!cell || event.altKey) return;
  const head = cell.matches("th");
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  const step = steps[event.key];
  const { rows } = cell.closest("table");
  const at = cell.parentElement.rowIndex;
  let next = null;
  if (step) next = rows[at + step[0]]?.cells[cell.cellIndex + step[1]];
  else if (event.key === "Home") next = rows[event.ctrlKey ? 1 : at].cells[1];
  else if (event.key === "End") next = rows[event.ctrlKey ? rows.length - 1 : at].cells[cell.parentElement.cells.length - 1];
  else if (head) return onHead(event, cell);
  else if (event.key === "Enter") openMenu(placeOf(cell));
  else if (event.key === " " || event.key === "x" || event.key === "X") event.shiftKey ? range(cell) : toggle(cell);
  else return;
  event.preventDefault();
  const extend = event.shiftKey && !head;
  if (!next || next.matches(extend ? "th" : ".corner")) return;
  if (extend && cell !== end) begin(cell);
  activate(next);
  if (extend) range(next);
}

// The link answers Enter, and the box Space, by themselves.
function onHead(event, head) {
  const [link, box] = [head.querySelector("a"), head.querySelector("input")];
  if (event.key === "Enter" && event.target === box) link.click();
  else if (event.key === "x" || event.key === "X" || (event.key === " " && event.target === link)) {
    box.checked = event.shiftKey || !box.checked;
    tick(box, event.shiftKey);
  } else return;
  event.preventDefault();
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
  begin(cell);
  publish();
}

function begin(cell) {
  anchor = end = cell;
  added = new Set();
}

// Selects all between the anchor and a cell, and nothing more of what this range had selected before.
function range(cell) {
  if (!anchor?.isConnected) begin(cell);
  const inside = rectangle(anchor, cell);
  for (const each of added) if (!inside.has(each)) choose(each, false);
  added = new Set([...inside].filter((each) => added.has(each) || !each.hasAttribute("aria-selected")));
  for (const each of added) choose(each, true);
  end = cell;
  publish();
}

function rectangle(from, to) {
  const rows = rowsOf(to.closest("table"));
  const [top, bottom] = [rows.indexOf(from.parentElement), rows.indexOf(to.parentElement)].sort((a, b) => a - b);
  const [left, right] = [from.cellIndex, to.cellIndex].sort((a, b) => a - b);
  return new Set(rows.slice(top, bottom + 1).flatMap((row) => [...row.cells].slice(left, right + 1)));
}

function heads(event) {
  if (event.target.matches?.(".matrix th input")) tick(event.target, event.shiftKey);
}

// Whole rows or columns: one, or with Shift all since the last. Those of their cells that are affected; an empty one
// is added by picking it itself.
function tick(box, ranged) {
  const head = box.closest("th");
  const rows = rowsOf(head.closest("table"));
  const all = box.matches("[data-row]") ? rows.map((row) => row.cells[0]) : [...head.parentElement.cells];
  const [from, to] = [ranged ? all.indexOf(headAnchor) : -1, all.indexOf(head)];
  for (const each of all.slice(...(from < 0 ? [to, to + 1] : [Math.min(from, to), Math.max(from, to) + 1]))) {
    each.querySelector("input").checked = box.checked;
    const cells = box.matches("[data-row]") ? [...each.parentElement.cells].slice(1) : rows.map((row) => row.cells[each.cellIndex]);
    for (const cell of cells) if (cell.hasAttribute("aria-label")) choose(cell, box.checked);
  }
  headAnchor = head;
  publish();
}

function clear() {
  added = new Set();
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
