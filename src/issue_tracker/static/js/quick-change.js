// Changing the status of one assignment, by the menu or by a key. The page shows the new status immediately, and the
// old one again with a message if the server refuses. A toast offers to undo the change. The request names the status
// that the page showed; if another user has changed it since, the user decides (conflict.js).
import { RequestError, send } from "./api.js";
import { label, NOT_AFFECTED, paint, placesNamed, placesOf } from "./places.js";
import { startMenu, storeNote } from "./status-menu.js";
import { toast } from "./toast.js";

/** @typedef {import("./places.js").Place} Place */

/**
 * The state of an assignment as far as this page knows it.
 * @typedef {{ status: string | null, at: string | null, unmoved: boolean }} Known
 */

/**
 * The changes under way, by the name of their place. Changes of one place wait for each other, so that two quick ones
 * never conflict.
 * @type {Map<string, Promise<Known>>}
 */
const underWay = new Map();

/**
 * What the page shows of the changes under way, by the name of their place.
 * @type {Map<string, { place: Place, status: string, at: string }>}
 */
const pending = new Map();

/**
 * What the stream has reported last about places with a change under way.
 * @type {Map<string, Known>}
 */
const reported = new Map();

/**
 * The change that the key for undo reverts.
 * @type {string | null}
 */
let lastChange = null;

/**
 * What the toasts offer to undo, by the name of the place. The offer is withdrawn when the same place is changed again
 * or the change is undone in another way.
 * @type {Map<string, { undoId: string, withdraw: () => void }>}
 */
const offers = new Map();

/**
 * Removes the message about the last change of a place that failed, by the name of the place: trying that change again
 * would revert a later one.
 * @type {Map<string, () => void>}
 */
const failures = new Map();

/** @param {(place: Place, note: string) => void} remove removes a company from an issue, after a confirmation */
export function startQuickChange(remove) {
  startMenu((place, status, note) => (status === NOT_AFFECTED ? remove(place, note) : change(place, status, note)));
}

/**
 * Sets the status of an assignment, provided that its current status is still the one that the page shows.
 * @param {Place} place
 * @param {string} status
 * @param {string} [note]
 */
export function change(place, status, note = "") {
  const before = { status: place.status, at: place.at, unmoved: place.element.classList.contains("unmoved") };
  if (status === before.status && !note) return;
  const at = new Date().toISOString();
  show(place, status, at, true);
  pending.set(place.on, { place, status, at });
  const earlier = underWay.get(place.on) ?? Promise.resolve(before);
  /** @type {Promise<Known>} */
  const own = earlier.then((known) => set(place, status, note, known, () => underWay.get(place.on) === own));
  underWay.set(place.on, own);
  own.finally(() => {
    if (underWay.get(place.on) !== own) return;
    underWay.delete(place.on);
    pending.delete(place.on);
    reported.delete(place.on);
  });
}

/**
 * Returns whether a change of a place is under way.
 * @param {string} on
 */
export const isUnderWay = (on) => underWay.has(on);

/** Shows the changes under way in results that have replaced earlier ones. */
export function showPending() {
  for (const { place, status, at } of pending.values()) show(place, status, at, true);
}

/**
 * Notes what the stream reports about an assignment: if a change of it is under way, its response may be older.
 * @param {import("./event-relevance.js").TrackerEvent} event
 */
export function noteReported({ issue_id: issue, company_id: company, to, at }) {
  const on = `${issue}-${company}`;
  if (isUnderWay(on)) reported.set(on, { status: to, at, unmoved: false });
}

/**
 * Returns the newer state of a place: this one, or what the stream has reported.
 * @param {string} on
 * @param {Known} known
 */
function newer(on, known) {
  const other = reported.get(on);
  return other && Date.parse(other.at ?? "") > Date.parse(known.at ?? "1970-01-01") ? other : known;
}

/**
 * Sends a change. Resolves with the state of the assignment afterwards.
 * @param {Place} place
 * @param {string} status
 * @param {string} note
 * @param {Known} known
 * @param {() => boolean} isLast whether no later change of this place waits for this one
 * @returns {Promise<Known>}
 */
async function set(place, status, note, known, isLast) {
  failures.get(place.on)?.();
  try {
    const body = new URLSearchParams({ on: `${place.on}-${known.status ?? "none"}`, status, note, single: "1" });
    const { data } = await send("POST", "/assignments/bulk", body);
    if (data.moved.length) return await resolveConflict(place, status, note, data.moved[0], isLast);
    if (!data.changed.length) return reportUnchanged(place, status, data.text, known);
    const changed = { status, at: data.changed[0].at, unmoved: false };
    const latest = newer(place.on, changed);
    if (isLast()) showKnown(place, latest);
    offerUndo(`${place.companyName}: ${label(status)}`, data.undo, latest === changed ? [place.on] : []);
    return changed;
  } catch (error) {
    if (isLast()) showKnown(place, newer(place.on, known));
    if (!(error instanceof RequestError)) throw error;
    storeNote(place, note);
    const run = () => change(current(place), status, note);
    const message = `${error.status ? "Not changed. " : ""}${error.message}`;
    failures.set(place.on, toast(message, { wrong: true, action: "Try again", run }));
    return known;
  }
}

/**
 * Handles the response for an assignment that already had the status: at most the note was saved.
 * @param {Place} place
 * @param {string} status
 * @param {string} text what the server says
 * @param {Known} known
 */
function reportUnchanged(place, status, text, known) {
  const now = status === known.status ? known : { status, at: known.at, unmoved: false };
  showKnown(place, now);
  toast(`${place.companyName} is ${label(status)}. ${text}`);
  return now;
}

/**
 * @param {Place} place
 * @param {string} mine
 * @param {string} note
 * @param {import("./conflict.js").Conflict} conflict
 * @param {() => boolean} isLast
 */
async function resolveConflict(place, mine, note, conflict, isLast) {
  const theirs = { status: conflict.status, at: conflict.at, unmoved: false };
  showKnown(place, theirs);
  const { askConflict } = await import("./conflict.js");
  const keepMine = await askConflict(place, mine, conflict);
  current(place).trigger.focus();
  if (keepMine) return set(place, mine, note, theirs, isLast);
  storeNote(place, note);
  return theirs;
}

/**
 * The place as the page shows it now: the results may have been replaced since.
 * @param {Place} place
 */
const current = (place) => placesOf(place.issueId, place.companyId)[0] ?? place;

/**
 * @param {Place} place
 * @param {string | null} status
 * @param {string | null} at
 * @param {boolean} busy
 */
function show(place, status, at, busy) {
  for (const each of placesOf(place.issueId, place.companyId)) {
    paint(each, status, at);
    if (busy) each.trigger.setAttribute("aria-busy", "true");
    else each.trigger.removeAttribute("aria-busy");
  }
}

/**
 * Shows the state of an assignment: the status, its time, and the mark of an unmoved assignment.
 * @param {Place} place
 * @param {Known} known
 */
function showKnown(place, { status, at, unmoved }) {
  show(place, status, at, false);
  for (const { element } of placesOf(place.issueId, place.companyId)) {
    element.classList.toggle("unmoved", unmoved && element.matches("tr"));
  }
}

/**
 * Shows a message about a change, with a button to undo it.
 * @param {string} text
 * @param {string | null} undoId how the server finds the change
 * @param {string[]} places the names of the places that were changed; without any there is nothing to undo
 */
export function offerUndo(text, undoId, places) {
  for (const on of places) offers.get(on)?.withdraw();
  if (!places.length || !undoId) return void toast(text);
  lastChange = undoId;
  const withdraw = toast(text, { action: "Undo", run: () => undo(undoId) });
  for (const on of places) offers.set(on, { undoId, withdraw });
}

/**
 * Withdraws the offer to undo a change once other users have changed everything that it changed.
 * @param {string} on the name of a place that another user has changed
 */
export function withdrawOffer(on) {
  const offer = offers.get(on);
  offers.delete(on);
  if (!offer || [...offers.values()].some(({ undoId }) => undoId === offer.undoId)) return;
  offer.withdraw();
  if (lastChange === offer.undoId) lastChange = null;
}

/** Undoes the last change. Returns whether there is one. Pressing the key again does not undo it once more. */
export function undoLast() {
  const undoId = lastChange;
  lastChange = null;
  if (undoId) undo(undoId);
  return undoId !== null;
}

/**
 * Undoes everything that one of this page's requests changed, except assignments that were changed again since.
 * @param {string} undoId
 */
export async function undo(undoId) {
  try {
    const { data } = await send("POST", "/undo", new URLSearchParams({ request_id: undoId }));
    if (lastChange === undoId) lastChange = null;
    for (const offer of offers.values()) if (offer.undoId === undoId) offer.withdraw();
    apply(data.changed);
    focusOn(data.changed);
    toast(data.text);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    // Without a status, no response has arrived; a refusal would only be repeated.
    const retry = error.status ? {} : { action: "Try again", run: () => undo(undoId) };
    toast(error.message, { wrong: true, ...retry });
  }
}

/**
 * An assignment that was changed, as the server reports it.
 * @typedef {{ on: string, status: string | null, at: string }} Changed
 */

/** @param {Changed[]} changes */
export function apply(changes) {
  for (const { on, status, at } of changes) {
    for (const place of placesNamed(on)) paint(place, status, at);
  }
}

/**
 * Moves the focus to the first changed place, in case the button that made the change no longer exists.
 * @param {Changed[]} changes
 */
export function focusOn(changes) {
  const [place] = changes[0] ? placesNamed(changes[0].on) : [];
  if (place && !document.activeElement?.closest("input, textarea, select")) {
    place.trigger.focus({ preventScroll: true });
  }
}
