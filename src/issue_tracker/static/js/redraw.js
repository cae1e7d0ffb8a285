// Parts of the page that depend on the rows (history, numbers): after a change, each such part (`data-redraw`) is
// replaced with its current version from the server, as soon as neither the pointer nor the focus is on it.
import { all, isEdited } from "./elements.js";
import { recordFolds } from "./folds.js";
import { cellAt, placesNamed } from "./places.js";
import { ownPath } from "./results.js";
import { showTimes } from "./times.js";

const PAUSE = 400;
const TIMEOUT = 15_000;

/** Maximum number of milliseconds by which a steady stream of events delays a request. */
const LONGEST_PAUSE = 2_000;

/** Milliseconds until a failed request is repeated: the first time, and at most. */
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

const state = {
  /** The places whose times are to be redrawn. @type {Set<string>} */
  places: new Set(),
  /** The issues that have changed since the last redraw. @type {Set<number>} */
  issues: new Set(),
  /** Whether a request for the parts is under way, and whether another one must follow. */
  fetching: false,
  again: false,
  /** Milliseconds until the next failed request is repeated. */
  wait: FIRST_WAIT,
  /** Waits for parts that are in use. @type {ReturnType<typeof setTimeout> | undefined} */
  timer: undefined,
};

/**
 * Returns a function that runs another one once for many calls: after a pause without calls, or after the longest one.
 * @param {() => void} run
 */
export function onceForMany(run) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let latest = 0;
  const due = () => {
    timer = undefined;
    run();
  };
  return () => {
    const now = performance.now();
    if (timer === undefined) latest = now + LONGEST_PAUSE;
    clearTimeout(timer);
    timer = setTimeout(due, Math.min(PAUSE, latest - now));
  };
}

/** Schedules a redraw; many events within a short time cause only one. */
export const redraw = onceForMany(() => void fetchParts());

/**
 * Schedules a redraw if a part of the page depends on this issue. That is found out only once for many events, because
 * it takes a search of the whole page.
 * @param {number} issueId
 */
export function redrawIssue(issueId) {
  if (!state.issues.size) setTimeout(redrawIssues);
  state.issues.add(issueId);
}

function redrawIssues() {
  const parts = ["[data-redraw][id]", ...[...state.issues].map((id) => `tbody[data-issue="${id}"] [data-redraw]`)];
  state.issues.clear();
  if (document.querySelector(parts.join())) redraw();
}

/**
 * Schedules a redraw, also of the times of this assignment and of its mark for a long time without changes.
 * @param {string} on the name of its place
 */
export function redrawPlace(on) {
  state.places.add(on);
  redraw();
}

async function fetchParts() {
  state.again = state.fetching;
  if (state.fetching) return;
  state.fetching = true;
  const places = [...state.places];
  state.places.clear();
  const results = document.getElementById("results");
  const { page, passing } = await requestPage();
  state.fetching = false;
  // Results that have replaced these are newer than this response, or have other filters.
  const outdated = results !== document.getElementById("results");
  if (page && !outdated) {
    for (const on of places) redrawTimes(page, on);
    replace(all("[data-redraw]").map((part) => [part, counterpart(page, part)]));
  } else for (const on of places) state.places.add(on);
  if (outdated || state.again) redraw();
  else if (passing) repeat(redraw);
}

/**
 * Repeats a request that failed, after a pause that grows.
 * @param {() => void} run
 */
function repeat(run) {
  setTimeout(run, state.wait);
  state.wait = Math.min(state.wait * 2, LONGEST_WAIT);
}

/**
 * @param {Document} page the current version of the page
 * @param {string} on
 */
function redrawTimes(page, on) {
  const [issueId = "", companyId = ""] = on.split("-");
  for (const { element } of placesNamed(on)) {
    const cell = element.matches("td");
    const fresh = cell ? cellAt(issueId, companyId, page) : page.querySelector(`tr[data-on="${on}"]`);
    if (!fresh) continue;
    const mark = cell ? "old" : "unmoved";
    element.classList.toggle(mark, fresh.classList.contains(mark));
    const label = fresh.getAttribute("aria-label");
    if (label) element.setAttribute("aria-label", label);
    const times = all(".when", fresh);
    all(".when", element).forEach((each, index) => times[index] && each.replaceWith(times[index]));
  }
}

/**
 * Replaces what is updated only on demand (`data-refresh`): the title, the description and the form of an issue. A form
 * that the user has filled in stays.
 */
export async function refreshParts() {
  const parts = all("[data-refresh]");
  if (!parts.length) return;
  const { page, passing } = await requestPage();
  if (!page) return passing && repeat(refreshParts);
  document.title = page.title;
  for (const part of all("[data-refresh]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh || isTypedInto(part)) continue;
    if (part instanceof HTMLDetailsElement) fresh.toggleAttribute("open", part.open);
    part.replaceWith(fresh);
  }
  showTimes();
}

/** @param {HTMLElement} part */
const isTypedInto = (part) =>
  part.querySelector("[data-touched]") !== null ||
  all("input, textarea, select", part, HTMLInputElement).some((field) => field.type !== "hidden" && isEdited(field));

/** Fetches the current version of this page. Resolves with null if that is not possible. */
export const fetchPage = async () => (await requestPage()).page;

/**
 * Fetches the current version of this page. Without it, `passing` says whether a repetition may succeed.
 * @returns {Promise<{ page: Document | null, passing: boolean }>}
 */
async function requestPage() {
  const options = { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(TIMEOUT) };
  const response = await fetch(ownPath(), options).catch(() => null);
  if (response && (!response.ok || response.redirected)) {
    return { page: null, passing: response.status === 429 || response.status >= 500 };
  }
  const text = await response?.text().catch(() => "");
  if (!text) return { page: null, passing: true };
  state.wait = FIRST_WAIT;
  return { page: new DOMParser().parseFromString(text, "text/html"), passing: false };
}

/**
 * Returns the same part of another version of the page: by its id, or by the issue that it belongs to.
 * @param {Document} page
 * @param {HTMLElement} part
 * @returns {HTMLElement | null}
 */
function counterpart(page, part) {
  if (part.id) return page.getElementById(part.id);
  return page.querySelector(`tbody[data-issue="${part.closest("tbody")?.dataset.issue}"] [data-redraw]`);
}

/**
 * Replaces the parts that can be replaced, and tries again later with the others. A part that the page no longer has is
 * removed.
 * @param {[HTMLElement, HTMLElement | null][]} pairs
 */
function replace(pairs) {
  clearTimeout(state.timer);
  const waiting = pairs.filter(([part, fresh]) => {
    if (!part.isConnected) return false;
    if (part.matches(":hover, :focus-within") || document.querySelector("dialog[open]")) return true;
    if (!fresh) part.remove();
    else {
      recordFolds(part)(fresh);
      part.replaceWith(fresh);
    }
    return false;
  });
  showTimes();
  if (waiting.length) state.timer = setTimeout(replace, PAUSE, waiting);
}
