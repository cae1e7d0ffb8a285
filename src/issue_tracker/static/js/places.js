// The places on a page that show an assignment: a common interface to rows of lists and cells of the matrix.
import { all, find } from "./elements.js";
import { STATUSES } from "./statuses.js";
import { setTime } from "./times.js";

/**
 * A place that shows an assignment. `on` is its name in forms, `<issue>-<company>`. A status of null means that the
 * company is not affected. `at` is the time of the last change, where the place shows it.
 * @typedef {object} Place
 * @property {HTMLElement} element the row or the cell
 * @property {HTMLElement} trigger the element that opens the menu of statuses
 * @property {string} on
 * @property {string} issueId
 * @property {string} companyId
 * @property {string} issueName
 * @property {string} companyName
 * @property {string | null} status
 * @property {string | null} at
 */

/** The value in forms, instead of a status, for a company that is not affected. */
export const NOT_AFFECTED = "none";

const rowOf = new Map(STATUSES.map((row) => [row.value, row]));

/** @param {string} status */
export const label = (status) => rowOf.get(status)?.label ?? status;

/** @param {string} status */
function drawing(status) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${rowOf.get(status)?.symbol}`);
  svg.setAttribute("class", `shape ${status}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/**
 * Returns the place that contains an element (a row, a cell or anything inside one); null for other elements, including
 * the cell of a company group.
 * @param {Element} element
 */
export function placeOf(element) {
  /** @type {HTMLTableCellElement | null} */
  const cell = element.closest(".matrix td");
  if (cell) return cell.matches(".g") ? null : placeOfCell(cell);
  /** @type {HTMLTableRowElement | null} */
  const row = element.closest("tr[data-on]");
  return row ? placeOfRow(row) : null;
}

/**
 * Returns all places that show the assignment of a company to an issue.
 * @param {string | number} issueId
 * @param {string | number} companyId
 */
export function placesOf(issueId, companyId) {
  const lists = partsOf(document)?.lists;
  const rows = lists ? all(`tr[data-on="${issueId}-${companyId}"]`, lists, HTMLTableRowElement).map(placeOfRow) : [];
  const cell = cellAt(issueId, companyId);
  return cell ? [...rows, placeOfCell(cell)] : rows;
}

/**
 * Returns all places that show the assignment with this name in forms.
 * @param {string} on
 */
export function placesNamed(on) {
  const [issueId = "", companyId = ""] = on.split("-");
  return placesOf(issueId, companyId);
}

/**
 * @param {HTMLTableRowElement} row
 * @returns {Place}
 */
function placeOfRow(row) {
  const { on = "" } = row.dataset;
  const [issueId = "", companyId = ""] = on.split("-");
  const form = row.closest("form")?.dataset ?? {};
  const name = find(".who a", row).textContent ?? "";
  const trigger = find(".status", row);
  const title = row.closest("tbody")?.querySelector(".what .title a")?.textContent ?? "";
  return {
    element: row,
    trigger,
    on,
    issueId,
    companyId,
    // On the page of a company, the rows name issues, elsewhere companies.
    issueName: form.companyName ? name : (form.issueName ?? title),
    companyName: form.companyName ?? name,
    status: STATUSES.find(({ value }) => trigger.classList.contains(value))?.value ?? null,
    at: find(".when time", row, HTMLTimeElement).dateTime,
  };
}

/**
 * Returns the head of the column of a cell in the matrix.
 * @param {HTMLTableCellElement} cell
 */
export const headOf = (cell) => cell.closest("table")?.tHead?.rows[0]?.cells[cell.cellIndex] ?? null;

/**
 * Returns the name of a cell's assignment in forms; null for the cell of a company group. Thousands of cells can be
 * selected at once, so that nothing else about them is looked up.
 * @param {HTMLTableCellElement} cell
 */
export function nameOfCell(cell) {
  if (cell.matches(".g")) return null;
  return `${cell.parentElement?.dataset.issue}-${headOf(cell)?.dataset.company}`;
}

/**
 * @param {HTMLTableCellElement} cell
 * @returns {Place}
 */
function placeOfCell(cell) {
  const row = /** @type {HTMLTableRowElement} */ (cell.parentElement);
  const head = /** @type {HTMLTableCellElement} */ (headOf(cell));
  const [{ issue = "" }, { company = "" }] = [row.dataset, head.dataset];
  return {
    element: cell,
    trigger: cell,
    on: `${issue}-${company}`,
    issueId: issue,
    companyId: company,
    issueName: find("a", row).textContent ?? "",
    companyName: find("a", head).textContent ?? "",
    status: STATUSES.find((each) => cell.classList.contains(each.cell))?.value ?? null,
    at: null,
  };
}

/**
 * Returns the cell of the matrix for an assignment, on this page or on another version of it.
 * @param {string | number} issueId
 * @param {string | number} companyId
 */
export function cellAt(issueId, companyId, page = document) {
  const { rows, columns } = partsOf(page) ?? NOTHING;
  const column = columns.get(String(companyId));
  return (column !== undefined && rows.get(String(issueId))?.cells[column]) || null;
}

/**
 * Where results show assignments: the element with the lists, and of a matrix the rows by their issues and the numbers
 * of the columns by their companies.
 * @typedef {{ lists: Element, rows: Map<string, HTMLTableRowElement>, columns: Map<string, number> }} Parts
 */

/** @type {Pick<Parts, "rows" | "columns">} */
const NOTHING = { rows: new Map(), columns: new Map() };

/**
 * The parts of results, which newer results replace as a whole. One request can change thousands of cells, so that the
 * page must not be searched for each of them.
 * @type {WeakMap<Element, Parts>}
 */
const known = new WeakMap();

/** @param {Document} page */
function partsOf(page) {
  const results = page.getElementById("results");
  if (!results) return null;
  const parts = known.get(results) ?? findParts(results);
  known.set(results, parts);
  return parts;
}

/**
 * @param {Element} results
 * @returns {Parts}
 */
function findParts(results) {
  /** @type {HTMLTableElement | null} */
  const matrix = results.querySelector(".matrix");
  const heads = [...(matrix?.tHead?.rows[0]?.cells ?? [])];
  return {
    // On a narrow screen, a list is loaded later and replaces the matrix.
    lists: results.querySelector(".matrix-narrow") ?? results,
    rows: new Map([...(matrix?.rows ?? [])].map((row) => [row.dataset.issue ?? "", row])),
    columns: new Map(heads.map((head) => [head.dataset.company ?? "", head.cellIndex])),
  };
}

/**
 * Shows a status (null: not affected) at a place, with the time of its last change.
 * @param {Place} place
 * @param {string | null} status
 * @param {string | null} [at]
 */
export function paint(place, status, at) {
  if (place.element.matches("td")) paintCell(place.element, status);
  else paintRow(place, status, at);
}

/**
 * @param {Place} place
 * @param {string | null} status
 * @param {string | null} [at]
 */
function paintRow({ element, trigger }, status, at) {
  trigger.classList.remove(...STATUSES.map(({ value }) => value));
  element.classList.remove("unmoved");
  if (at) setTime(find(".when time", element, HTMLTimeElement), at);
  if (!status) return trigger.replaceChildren("Not affected");
  trigger.classList.add(status);
  trigger.replaceChildren(drawing(status), label(status));
}

/**
 * @param {HTMLElement} element
 * @param {string | null} status
 */
function paintCell(element, status) {
  const from = STATUSES.find(({ cell }) => element.classList.contains(cell))?.value ?? null;
  element.classList.remove("old", ...STATUSES.map(({ cell }) => cell));
  const row = status && rowOf.get(status);
  if (row) {
    element.classList.add(row.cell);
    element.setAttribute("aria-label", row.label);
  } else element.removeAttribute("aria-label");
  element.dispatchEvent(new CustomEvent("cell-painted", { bubbles: true, detail: { from, to: status } }));
}
