// Pages in the background. Only one of the hidden pages of this browser stays connected, because a browser has six
// connections to a server for all of its tabs. It sends the events to the others, so that each of them can show the
// number of changes in its title.
import { isOwn } from "./api.js";
import { isRelevant } from "./event-relevance.js";

/** @typedef {import("./event-relevance.js").TrackerEvent} TrackerEvent */

const LOCK = "issue-tracker-background";
const VISIBLE = "issue-tracker-visible";

/** Milliseconds after which a hidden page disconnects, unless it is the one that stays connected. */
const HIDDEN_LIMIT = 20_000;

/**
 * The requests whose changes happened while the page was hidden. All changes of one request count as one.
 * @type {Set<string | number>}
 */
const missed = new Set();

/** Sends events to the other pages; absent in browsers without it. */
const channel = "BroadcastChannel" in window ? new BroadcastChannel("issue-tracker-events") : null;

/** Ends the wait for the lock, or lets go of it. @type {AbortController | null} */
let waiting = null;

let connected = false;

/**
 * Connects the stream while the page is visible; of the hidden pages, only one stays connected.
 * @param {import("./stream.js").Stream} stream
 */
export function connect(stream) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const start = () => {
    clearTimeout(timer);
    waiting?.abort();
    connected = false;
    if (!document.hidden) {
      holdVisible();
      missed.clear();
      showCount();
      stream.start();
      return;
    }
    const own = new AbortController();
    waiting = own;
    // A waiting page acquires the lock when the connected page is closed or visible again. Over plain HTTP, browsers
    // have no locks, so the pages cannot agree on one.
    navigator.locks?.request(LOCK, { signal: own.signal }, () => hold(stream, own.signal)).catch(() => {});
    timer = setTimeout(() => connected || stream.stop(), HIDDEN_LIMIT);
  };
  if (!document.hidden) start();
  document.addEventListener("visibilitychange", start);
  document.addEventListener("signed-in", start);
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

/** Holds a lock while this page is visible, which other pages can query. */
function holdVisible() {
  if (!navigator.locks) return;
  void navigator.locks.request(
    VISIBLE,
    { mode: "shared" },
    () =>
      new Promise((resolve) => {
        const end = () => {
          if (document.hidden) resolve(undefined);
          else document.addEventListener("visibilitychange", end, { once: true });
        };
        document.addEventListener("visibilitychange", end, { once: true });
      }),
  );
}

/**
 * Counts an event of the stream while the page is hidden. The connected page also sends it to the other pages, and
 * shows a notification if these are enabled.
 * @param {TrackerEvent} event
 */
export function noteInBackground(event) {
  if (!document.hidden || isOwn(event.request_id)) return;
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
  if (!document.hidden || isOwn(event.request_id) || !isRelevant(event)) return;
  missed.add(event.request_id || event.event_id);
  showCount();
}

function showCount() {
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = missed.size ? `(${missed.size}) ${title}` : title;
}
