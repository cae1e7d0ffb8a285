// Hidden pages: one stays connected, because a browser has six connections to a server, and sends its events to others.
import { isOwn } from "./api.js";
import { isListed, isRelevant } from "./event-relevance.js";

/** @typedef {import("./event-relevance.js").TrackerEvent} TrackerEvent */

const LOCK = "issue-tracker-background";
const VISIBLE = "issue-tracker-visible";

/** Milliseconds after which a hidden page disconnects, unless it is the one that stays connected. */
const HIDDEN_LIMIT = 20_000;

/** The requests whose changes happened while the page was hidden. @type {Set<string | number>} */
const missed = new Set();

const channel = "BroadcastChannel" in window ? new BroadcastChannel("issue-tracker-events") : null;

/** Ends the wait for the lock, or releases it. @type {AbortController | null} */
let waiting = null;

let connected = false;

/** Releases the lock of a visible page. @type {(value?: any) => void} */
let release = () => {};

/** @param {import("./stream.js").Stream} stream */
export function connect(stream) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const start = () => {
    clearTimeout(timer);
    waiting?.abort();
    release();
    connected = false;
    if (!document.hidden) {
      // A lock that other pages can query.
      void navigator.locks?.request(
        VISIBLE,
        { mode: "shared" },
        () => document.hidden || new Promise((resolve) => (release = resolve)),
      );
      missed.clear();
      showCount();
      stream.start();
      return;
    }
    const own = new AbortController();
    waiting = own;
    // Over plain HTTP, browsers have no locks, so the pages cannot agree on one.
    navigator.locks?.request(LOCK, { signal: own.signal }, () => hold(stream, own.signal)).catch(() => {});
    timer = setTimeout(() => connected || stream.stop(), HIDDEN_LIMIT);
  };
  if (!document.hidden) start();
  document.addEventListener("visibilitychange", start);
  document.addEventListener("signed-in", start);
  // The user may have signed in again in another window, beside which this one stayed visible.
  addEventListener("focus", () => document.hidden || stream.start());
  addEventListener("pageshow", ({ persisted }) => persisted && start());
  addEventListener("pagehide", () => {
    waiting?.abort();
    stream.stop();
  });
  channel?.addEventListener("message", ({ data }) => count(data));
}

/**
 * Stays connected and holds the lock until the page is visible again.
 * @param {import("./stream.js").Stream} stream
 * @param {AbortSignal} signal
 */
function hold(stream, signal) {
  connected = true;
  stream.start();
  return /** @type {Promise<void>} */ (new Promise((resolve) => signal.addEventListener("abort", () => resolve())));
}

/** @param {TrackerEvent} event */
export function noteInBackground(event) {
  if (!document.hidden || isOwn(event)) return;
  count(event);
  if (!connected) return;
  channel?.postMessage(event);
  if (localStorage.getItem("notifications") === "on") void notify(event);
}

/** @param {TrackerEvent} event */
async function notify(event) {
  const held = await navigator.locks.query();
  if (held.held?.some(({ name }) => name === VISIBLE)) return;
  (await import("./notifications.js")).notifyOf(event);
}

/** @param {TrackerEvent} event */
function count(event) {
  if (!document.hidden || isOwn(event)) return;
  // A list shows the last update of each issue.
  if (!isRelevant(event) && !(event.update_id && isListed(document, event))) return;
  missed.add(event.request_id || event.event_id);
  showCount();
}

function showCount() {
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = missed.size ? `(${missed.size}) ${title}` : title;
}
