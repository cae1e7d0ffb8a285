// Browser notifications about issues that the user owns entirely or for a company, while no page is visible. They are
// enabled under Account, for this browser only.
import { find } from "./elements.js";
import { STATUSES } from "./statuses.js";

/** @typedef {import("./event-relevance.js").TrackerEvent & { field: string | null }} TrackerEvent */

const PAUSE = 1_000;

/** Maximum number of issues that are checked after one pause, because an import may change a thousand. */
const MOST = 5;

/** The last event of each issue, and how many there were. @type {Map<number, { event: any, count: number }>} */
const waiting = new Map();

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

const actor = () => find("meta[name=actor]", document, HTMLMetaElement);

/** @param {any} event */
export function notifyOf(event) {
  if (Notification.permission !== "granted" || String(event.actor.id) === actor().content) return;
  waiting.set(event.issue_id, { event, count: (waiting.get(event.issue_id)?.count ?? 0) + 1 });
  clearTimeout(timer);
  timer = setTimeout(() => void notifyOfMine(), PAUSE);
}

async function notifyOfMine() {
  const changes = [...waiting.values()].slice(0, MOST);
  waiting.clear();
  for (const { event, count } of changes) {
    if (await isMine(event)) show(event, count);
  }
}

/**
 * Asks the server, which knows the current owners.
 * @param {any} event
 */
async function isMine(event) {
  const query = new URLSearchParams({ owner: "me", search: event.issue_name });
  const response = await fetch(`/api/issues?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!response?.ok) return false;
  const { items } = await response.json();
  return items.some((/** @type {{ issue_id: number }} */ issue) => issue.issue_id === event.issue_id);
}

/**
 * @param {any} event
 * @param {number} count
 */
function show(event, count) {
  const body = `${event.actor.name} ${describe(event)}${count > 1 ? `, and ${count - 1} more` : ""}`;
  const notification = new Notification(event.issue_name, { body, tag: `issue-${event.issue_id}`, icon: iconOf() });
  notification.addEventListener("click", () => {
    window.focus();
    location.assign(`/issues/${event.issue_id}`);
    notification.close();
  });
}

/** @param {any} event */
function describe(event) {
  const label = STATUSES.find(({ value }) => value === event.to)?.label;
  if (event.type === "assignment.status_changed" && label) return `set ${event.company_name} to ${label}`;
  if (event.type === "assignment.created") return `added ${event.company_name}`;
  if (event.type === "update.created") return "added an update";
  if (event.field === "owner" && event.to === actor().dataset.email) return "assigned it to you";
  return "changed it";
}

const iconOf = () => find("link[rel=icon]", document, HTMLLinkElement).href;
