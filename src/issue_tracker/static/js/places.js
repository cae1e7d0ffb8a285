// Where an assignment stands on the page: rows of lists and cells of the matrix, read and painted in one way.
import { setTime } from "./times.js";

export const STATUSES = ["new", "investigating", "in_progress", "monitoring", "resolved", "closed"];
const CELL = { new: "n", investigating: "i", in_progress: "p", monitoring: "m", resolved: "r", closed: "c" };
const FROM_CELL = Object.fromEntries(Object.entries(CELL).map(([status, letter]) => [letter, status]));

export const label = (status) => document.querySelector(`#status-menu [data-status=${status}]`).childNodes[1].textContent.trim();

const shape = (status) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${status}`);
  svg.append(use);
  return svg;
};

// The assignment that an element (a row, a cell or anything inside one) shows; null outside of one.
export function placeOf(element) {
  const cell = element.closest?.(".matrix td");
  if (cell) return cellPlace(cell);
  const row = element.closest?.("tr[data-on]");
  return row ? rowPlace(row) : null;
}

export function placesOf(issueId, companyId) {
  const rows = [...document.querySelectorAll(`tr[data-on="${issueId}-${companyId}"]`)].map(rowPlace);
  const cell = cellAt(issueId, companyId);
  return cell ? [...rows, cellPlace(cell)] : rows;
}

function rowPlace(row) {
  const [issueId, companyId] = row.dataset.on.split("-");
  const form = row.closest("form")?.dataset ?? {};
  const who = row.querySelector(".who a").textContent;
  const status = STATUSES.find((each) => row.querySelector(".status").classList.contains(each)) ?? null;
  return {
    element: row,
    trigger: row.querySelector(".status"),
    on: row.dataset.on,
    issueId,
    companyId,
    issueName: form.companyName ? who : form.issueName ?? row.closest("tbody").querySelector(".what .title a").textContent,
    companyName: form.companyName ?? who,
    status,
    at: row.querySelector("time").dateTime,
  };
}

function cellPlace(cell) {
  const row = cell.closest("tr");
  const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
  return {
    element: cell,
    trigger: cell,
    on: `${row.dataset.issue}-${head.dataset.company}`,
    issueId: row.dataset.issue,
    companyId: head.dataset.company,
    issueName: row.cells[0].querySelector("a").textContent,
    companyName: head.querySelector("a").textContent,
    status: FROM_CELL[cell.className.split(" ").find((name) => name in FROM_CELL)] ?? null,
    at: null,
  };
}

function cellAt(issueId, companyId) {
  const row = document.querySelector(`.matrix tr[data-issue="${issueId}"]`);
  const head = row && document.querySelector(`.matrix thead th[data-company="${companyId}"]`);
  return head ? row.cells[head.cellIndex] : null;
}

export function paint(place, status, at) {
  if (place.element.matches("td")) return paintCell(place.element, status);
  const button = place.element.querySelector(".status");
  button.classList.remove(...STATUSES);
  place.element.classList.remove("stale");
  if (at) setTime(place.element.querySelector("time"), at);
  if (!status) return button.replaceChildren("Not affected");
  button.classList.add(status);
  const drawing = shape(status);
  drawing.setAttribute("class", `shape ${status}`);
  drawing.setAttribute("aria-hidden", "true");
  button.replaceChildren(drawing, label(status));
}

function paintCell(cell, status) {
  cell.classList.remove(...Object.values(CELL));
  if (!status) return cell.removeAttribute("aria-label");
  cell.classList.add(CELL[status]);
  cell.setAttribute("aria-label", label(status));
}

export function highlight(place) {
  place.element.classList.remove("fresh");
  void place.element.offsetWidth;
  place.element.classList.add("fresh");
}
