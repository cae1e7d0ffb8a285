// Live updates: changes by other users appear where the page shows the assignment, briefly highlighted. Changes
// that the page does not show are counted on a button (pending-updates.js).
import { isOwn } from "./api.js";
import { connect, noteInBackground } from "./background.js";
import { all, byId, find, targetOf } from "./elements.js";
import { isAlreadyShown, isCertain, isRelevant, totalsAreFiltered } from "./event-relevance.js";
import { askServer, clearUpdates, countUpdate } from "./pending-updates.js";
import { paint, placesOf } from "./places.js";
import { isUnderWay, noteReported, showPending, withdrawOffer } from "./quick-change.js";
import { redraw, redrawIssue, redrawPlace, refreshParts } from "./redraw.js";
import { refresh } from "./results.js";
import { Stream } from "./stream.js";

/** @typedef {import("./event-relevance.js").TrackerEvent} TrackerEvent */

const STATE_NAMES = { live: "live", broken: "no connection", "signed-out": "signed out" };

/** How long a change remains highlighted, in milliseconds. */
const HIGHLIGHT = 6_000;

/** Milliseconds for which an event is remembered: longer than results can be under way. */
const REMEMBERED = 30_000;

/** The latest events, and until when they are remembered. @type {{ event: TrackerEvent, until: number }[]} */
const latest = [];

/** The timers that end highlights. @type {WeakMap<Element, ReturnType<typeof setTimeout>>} */
const highlightTimers = new WeakMap();

/** The elements that the next frame highlights. @type {Set<HTMLElement>} */
const changed = new Set();

export function startLive() {
  if (!document.getElementById("connection")) return;
  const indicator = byId("connection");
  const stream = new Stream(find("meta[name=last-event]", document, HTMLMetaElement).content, {
    onEvent: handle,
    onState: (state) => {
      indicator.dataset.state = state === "signed-out" ? "broken" : state;
      find("span", indicator).textContent = STATE_NAMES[state];
      if (state === "signed-out") stream.stop();
    },
  });
  connect(stream);
  // A browser notices some breaks immediately, and a request that gets no response shows others.
  for (const name of ["offline", "online", "no-response"]) addEventListener(name, () => stream.restart());
  document.addEventListener("click", (event) => {
    if (!targetOf(event).closest("#updates")) return;
    refresh();
    void refreshParts();
  });
  document.addEventListener("htmx:after:swap", ({ detail }) => detail.ctx.target?.id === "results" && catchUp());
}

/** @param {TrackerEvent} event */
function handle(event) {
  const now = performance.now();
  while (latest[0] && latest[0].until < now) latest.shift();
  latest.push({ event, until: now + REMEMBERED });
  refreshCounts();
  noteInBackground(event);
  show(event);
}

/** Refreshes the counts above the list. */
function refreshCounts() {
  if (!document.getElementById("attention")) return;
  void import("./attention-counts.js").then((module) => module.refreshAttentionCounts());
}

/**
 * Shows in new results what they do not include: the server may have read them before events that arrived since.
 */
function catchUp() {
  clearUpdates();
  const missing = latest.filter(({ event }) => !isAlreadyShown(event));
  for (const { event } of missing) show(event);
  showPending();
  if (missing.length) refreshCounts();
}

/** @param {TrackerEvent} event */
function show(event) {
  const own = isOwn(event);
  const places = event.company_id ? placesOf(event.issue_id, event.company_id) : [];
  const listed = event.update_id && document.querySelector(partsOf(event));
  if (!(places.length || listed || isRelevant(event))) return;
  // The parts of the page beside the results may be older.
  if (isAlreadyShown(event)) return redrawIssue(event.issue_id);
  if (event.update_id && (listed || document.getElementById("update-list"))) {
    redraw();
    return;
  }
  if (!own) for (const { on } of places) withdrawOffer(on);
  if (event.type.startsWith("assignment.")) noteReported(event);
  const shown = showAt(places, event, own);
  if (!shown && !(own && places.length)) (isCertain(event) ? countUpdate : askServer)(event);
  if (places.length || !totalsAreFiltered()) adjustTotals(event);
  redrawIssue(event.issue_id);
}

/**
 * Returns the selector of the parts of a list that depend on the issue of the event.
 * @param {TrackerEvent} event
 */
const partsOf = (event) => `tbody[data-issue="${event.issue_id}"] [data-redraw]`;

/**
 * Shows an event at the places of its assignment. Returns whether they show all of it: a row of a list stays when its
 * assignment was deleted, because it would move the rows below it.
 * @param {import("./places.js").Place[]} places
 * @param {TrackerEvent} event
 * @param {boolean} own
 */
function showAt(places, event, own) {
  if (event.type === "assignment.deleted") {
    const cells = places.filter(({ element }) => element.matches("td"));
    for (const cell of cells) paint(cell, null);
    return cells.length > 0 && cells[0] === places[0];
  }
  if (event.type === "assignment.status_changed" || event.type === "assignment.created") {
    for (const place of places) {
      // A newer change may be under way, whose status the place shows already.
      if (own && isUnderWay(place.on)) continue;
      // An undo restores the previous times, which the event does not contain.
      paint(place, event.to, event.undoes ? null : event.at);
      if (event.undoes) redrawPlace(place.on);
      if (!own) highlightSoon(place.element);
    }
  }
  return places.length > 0;
}

/** @param {HTMLElement} element */
function highlightSoon(element) {
  if (!changed.size) requestAnimationFrame(highlightChanged);
  changed.add(element);
}

/**
 * Highlights what has changed. A timer ends this, not the end of the animation, because there is none with reduced
 * motion.
 */
function highlightChanged() {
  for (const element of changed) element.classList.remove("fresh");
  // Reading a size forces a layout without the class, so that the animations start again: one layout for all changes,
  // because one request can change hundreds of rows.
  void document.body.offsetWidth;
  for (const element of [...changed].filter(isInSight)) {
    element.classList.add("fresh");
    clearTimeout(highlightTimers.get(element));
    highlightTimers.set(
      element,
      setTimeout(() => element.classList.remove("fresh"), HIGHLIGHT),
    );
  }
  changed.clear();
}

/**
 * Returns whether an element may be highlighted: always, except for a cell of the matrix outside the window, because
 * thousands of animations would block the page.
 * @param {HTMLElement} element
 */
function isInSight(element) {
  if (!element.matches(".matrix td")) return true;
  // The browser has not laid out distant rows, and asking for the position of a cell in one would make it do so.
  if (!element.checkVisibility({ contentVisibilityAuto: true })) return false;
  const { left, right } = element.getBoundingClientRect();
  return right > 0 && left < innerWidth;
}

/** @param {TrackerEvent} event */
function adjustTotals(event) {
  if (!event.type.startsWith("assignment.") || event.from === event.to) return;
  for (const chip of all("#totals [data-total]")) {
    const { total } = chip.dataset;
    const difference = Number(total === event.to) - Number(total === event.from);
    if (!difference) continue;
    const output = find("b", chip);
    const number = Math.max(0, Number(output.textContent) + difference);
    output.textContent = String(number);
    chip.classList.toggle("zero", number === 0);
  }
}
