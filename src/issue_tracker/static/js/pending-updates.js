// The button that says how many updates the page does not show yet.
import { byId } from "./elements.js";
import { isAlreadyShown, isListed } from "./event-relevance.js";
import { fetchPage, onceForMany } from "./redraw.js";

/** @typedef {import("./event-relevance.js").TrackerEvent} TrackerEvent */

const state = {
  /**
   * The requests whose changes are not shown. Each request is one update, however many companies it changed.
   * @type {Set<string | number>}
   */
  requests: new Set(),
  /** Events of which only the server knows whether they change the results. @type {TrackerEvent[]} */
  undecided: [],
};

/** Forgets all updates: the results have just been loaded. */
export function clearUpdates() {
  state.requests.clear();
  const button = document.getElementById("updates");
  if (button) button.hidden = true;
}

/** @param {TrackerEvent} event */
export function countUpdate(event) {
  if (!document.getElementById("updates")) return;
  state.requests.add(event.request_id || event.event_id);
  const button = byId("updates");
  button.dataset.count = String(state.requests.size);
  button.textContent = `Show ${state.requests.size} ${state.requests.size === 1 ? "update" : "updates"}`;
  button.hidden = false;
}

/**
 * Counts an event only if the page would list its issue now: the server alone knows whether a search finds it.
 * @param {TrackerEvent} event
 */
export function askServer(event) {
  state.undecided.push(event);
  decideSoon();
}

const decideSoon = onceForMany(() => void decide());

async function decide() {
  const events = state.undecided.splice(0);
  const page = await fetchPage();
  for (const event of events) {
    if (!isAlreadyShown(event) && (!page || isListed(page, event))) countUpdate(event);
  }
}
