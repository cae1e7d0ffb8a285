// Decides whether an event is relevant for this page, whether the page already shows it, and whether that is certain
// without the server. Nothing here changes the page.
import { STATUSES } from "./statuses.js";

/**
 * An event as the stream sends it (docs/events.md).
 * @typedef {object} TrackerEvent
 * @property {number} event_id
 * @property {string} type
 * @property {string} at
 * @property {string | null} request_id
 * @property {{ id: number | null, name: string, channel: string }} actor
 * @property {number} issue_id
 * @property {string | null} issue_name
 * @property {number | null} company_id
 * @property {string | null} company_name
 * @property {string | null} from
 * @property {string | null} to
 * @property {number | null} update_id
 * @property {string | null} undoes the id of the request that the change undoes
 */

/** Filters that depend on more than an event contains. */
const UNDECIDABLE = [
  "search",
  "words",
  "updatedSince",
  "companyGroup",
  "exclude",
  "severity",
  "owner",
  "tag",
  "reference",
  "overdue",
  "unmovedDays",
];

/** The types of events that are not those of the audit. */
const IN_HISTORY = /^(assignment|issue|update)\./;

const filtersOfPage = () => new URLSearchParams(location.search);

/** @param {TrackerEvent} event */
const isAboutAssignment = (event) => event.type.startsWith("assignment.");

/**
 * Returns whether the results on the page include an event. An event that was committed late can have a lower number
 * than others that they include, so the included ones are listed individually.
 * @param {TrackerEvent} event
 */
export function isAlreadyShown({ event_id: id }) {
  const { lastEvent = "0", seen = "" } = document.getElementById("results")?.dataset ?? {};
  return id <= Number(lastEvent) || seen.split(",").includes(String(id));
}

/** Returns whether the totals on the page count only some of the issues. */
export function totalsAreFiltered() {
  const filters = filtersOfPage();
  return ["companyId", "companyName", ...UNDECIDABLE].some((name) => filters.has(name));
}

/**
 * Returns whether an event is about the subject of the page.
 * @param {TrackerEvent} event
 */
export function isRelevant(event) {
  /** @type {HTMLElement | null} */
  const form = document.querySelector("[data-about-issue], [data-about-company]");
  const { aboutIssue, aboutCompany } = form?.dataset ?? {};
  if (aboutIssue) return String(event.issue_id) === aboutIssue;
  if (aboutCompany) return isAboutCompany(event, aboutCompany);
  if (document.getElementById("companies")) return isAboutAssignment(event) || event.type === "issue.deleted";
  if (!document.getElementById("updates")) return false;
  if (location.pathname === "/handover") return IN_HISTORY.test(event.type);
  return location.pathname === "/activity" ? belongsInActivity(event) : belongsInList(event);
}

/**
 * Returns whether an event is about a company, or about an issue that its page lists: the page names the issue and its
 * next update.
 * @param {TrackerEvent} event
 * @param {string} company
 */
function isAboutCompany(event, company) {
  return event.company_id === null ? isListed(document, event) : String(event.company_id) === company;
}

/** @param {TrackerEvent} event */
function belongsInActivity(event) {
  const filters = filtersOfPage();
  const type = filters.get("type");
  const matches = type ? type === event.type : IN_HISTORY.test(event.type);
  // Older pages of the history do not change.
  return (
    matches &&
    !filters.has("before") &&
    !filters.get("until") &&
    [event.actor.name, String(event.actor.id)].some((actor) => matchesName(filters.get("actor"), actor)) &&
    matchesName(filters.get("issueName"), event.issue_name) &&
    matchesName(filters.get("companyName"), event.company_name)
  );
}

/** @param {TrackerEvent} event */
function belongsInList(event) {
  if (!isAboutAssignment(event)) return event.type.startsWith("issue.");
  const filters = filtersOfPage();
  const companies = filters.getAll("companyId").filter(Boolean);
  return (
    matchesName(filters.get("companyName"), event.company_name) &&
    (!companies.length || companies.includes(String(event.company_id))) &&
    [event.from, event.to].some(matchesStatus)
  );
}

/**
 * Returns whether the filters of the page match assignments with this status.
 * @param {string | null} value
 */
function matchesStatus(value) {
  const filters = filtersOfPage();
  const values = filters.getAll("status").filter(Boolean);
  const open = filters.get("open");
  const status = STATUSES.find((each) => each.value === value);
  return (
    status !== undefined && (!values.length || values.includes(status.value)) && (!open || open === String(status.open))
  );
}

/**
 * @param {string | null} filter the name in a filter; empty matches every name
 * @param {string | null} name
 */
const matchesName = (filter, name) => !filter || folded(filter) === folded(name ?? "");

/**
 * Returns a name in the form in which the server compares it. It is upper-cased first, because that makes "ß" and "ss"
 * equal.
 * @param {string} name
 */
const folded = (name) => name.trim().normalize("NFC").toUpperCase().toLowerCase();

/**
 * Returns whether a relevant event certainly changes the results. This cannot be decided without the server if a filter
 * depends on more than the event contains, or if the page shows a part of the list.
 * @param {TrackerEvent} event
 */
export function isCertain(event) {
  if (!document.getElementById("filters")) return true;
  // The issue may be on another page of the list.
  if (document.querySelector("#results .pages") && !isListed(document, event)) return false;
  const filters = filtersOfPage();
  const undecidable = isAboutAssignment(event)
    ? UNDECIDABLE
    : ["status", "open", "companyName", "companyId", ...UNDECIDABLE];
  return !undecidable.some((name) => filters.get(name)) || isListed(document, event);
}

/**
 * Returns whether a page lists the issue of an event.
 * @param {ParentNode} page
 * @param {TrackerEvent} event
 */
export const isListed = (page, event) => page.querySelector(`[data-issue="${event.issue_id}"]`) !== null;
