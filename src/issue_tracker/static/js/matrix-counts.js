// Updates the counts of the matrix after each change of a cell: the open ones in its row, in its column, and in the
// groups of its company, which also show the worst status.
import { all } from "./elements.js";
import { headOf } from "./places.js";
import { STATUSES } from "./statuses.js";

/** @typedef {HTMLTableCellElement} Cell */

const isOpen = new Set(STATUSES.filter((row) => row.open).map((row) => row.value));

export function startCounts() {
  document.addEventListener("cell-painted", (event) => follow(/** @type {CustomEvent} */ (event)));
}

/** @param {CustomEvent<{ from: string | null, to: string | null }>} event */
function follow(event) {
  const { from, to } = event.detail;
  const difference = Number(isOpen.has(to ?? "")) - Number(isOpen.has(from ?? ""));
  const cell = /** @type {Cell} */ (event.target);
  const row = /** @type {HTMLTableRowElement} */ (cell.parentElement);
  const head = headOf(cell);
  const groups = head ? groupsOf(head) : [];
  for (const each of [row.cells[0], head, ...groups]) add(each, difference);
  for (const group of groups) drawGroup(row, group);
}

/**
 * @param {Cell | null | undefined} head
 * @param {number} difference
 */
function add(head, difference) {
  const number = head?.querySelector("b")?.firstChild;
  if (number && difference) number.textContent = String(Number(number.textContent) + difference);
}

/** @param {Cell} group */
const companiesOf = (group) => (group.dataset.companies ?? "").split(" ");

/**
 * The heads of the groups that contain a company, by its id, for each row of heads.
 * @type {WeakMap<Element, Map<string, Cell[]>>}
 */
const groupsByCompany = new WeakMap();

/**
 * Returns the heads of the groups that contain a company.
 * @param {Cell} head the head of the company
 * @returns {Cell[]}
 */
function groupsOf(head) {
  const row = /** @type {HTMLTableRowElement} */ (head.parentElement);
  const groups = groupsByCompany.get(row) ?? grouped(row);
  groupsByCompany.set(row, groups);
  return groups.get(head.dataset.company ?? "") ?? [];
}

/** @param {HTMLTableRowElement} row */
function grouped(row) {
  /** @type {Map<string, Cell[]>} */
  const groups = new Map();
  for (const group of all("[data-companies]", row, HTMLTableCellElement)) {
    for (const id of companiesOf(group)) groups.set(id, [...(groups.get(id) ?? []), group]);
  }
  return groups;
}

/**
 * Draws the cell of a group from the cells of its companies, if all of them are columns.
 * @param {HTMLTableRowElement} row
 * @param {Cell} group
 */
function drawGroup(row, group) {
  const heads = companiesOf(group).map((id) => group.parentElement?.querySelector(`[data-company="${id}"]`));
  const cells = heads.map((head) => head && row.cells[/** @type {Cell} */ (head).cellIndex]);
  const own = row.cells[group.cellIndex];
  if (!own || cells.includes(null) || cells.includes(undefined)) return;
  const rows = cells.flatMap((cell) => STATUSES.filter((each) => cell?.classList.contains(each.cell)));
  const worst = STATUSES.find((each) => rows.includes(each));
  const open = rows.filter((each) => each.open).length;
  // The label of an unmoved cell consists of its status and the time without a change.
  const old = cells.find((cell) => cell?.classList.contains("old"))?.ariaLabel?.split(", ")[1];
  own.className = worst ? `g ${worst.cell}` : "g";
  own.classList.toggle("old", Boolean(old));
  own.textContent = worst ? String(open) : "";
  own.ariaLabel = worst ? `${worst.label} at worst, ${open} of ${rows.length} open${old ? `, one ${old}` : ""}` : null;
}
