// Parts of the page that depend on the rows (history, numbers): after a change, each such part (`data-redraw`) is
// replaced with its current version from the server, as soon as neither the pointer nor the focus is on it.
import { all, isEdited } from "./elements.js";
import { cellAt, placesNamed } from "./places.js";
import { ownPath } from "./results.js";
import { showTimes } from "./times.js";

const PAUSE = 400;
const TIMEOUT = 15_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** The places whose times are to be redrawn. @type {Set<string>} */
const places = new Set();

/** The issues that have changed since the last redraw. @type {Set<number>} */
const changedIssues = new Set();

/** Schedules a redraw; many events within a short time cause only one. */
export function redraw() {
  clearTimeout(timer);
  timer = setTimeout(fetchParts, PAUSE);
}

/**
 * Schedules a redraw if a part of the page depends on this issue. That is found out only once for many events, because
 * it takes a search of the whole page.
 * @param {number} issueId
 */
export function redrawIssue(issueId) {
  if (!changedIssues.size) setTimeout(redrawIssues);
  changedIssues.add(issueId);
}

function redrawIssues() {
  const parts = ["[data-redraw][id]", ...[...changedIssues].map((id) => `tbody[data-issue="${id}"] [data-redraw]`)];
  changedIssues.clear();
  if (document.querySelector(parts.join())) redraw();
}

/**
 * Schedules a redraw, also of the times of this assignment and of its mark for a long time without changes.
 * @param {string} on the name of its place
 */
export function redrawPlace(on) {
  places.add(on);
  redraw();
}

async function fetchParts() {
  const own = timer;
  const page = await fetchPage();
  if (!page || timer !== own) return;
  for (const on of places) redrawTimes(page, on);
  places.clear();
  replace(all("[data-redraw]").map((part) => [part, counterpart(page, part)]));
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
  const page = parts.length ? await fetchPage() : null;
  if (!page) return;
  document.title = page.title;
  for (const part of parts) {
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
export async function fetchPage() {
  const options = { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(TIMEOUT) };
  const response = await fetch(ownPath(), options).catch(() => null);
  if (!response?.ok || response.redirected) return null;
  const text = await response.text().catch(() => "");
  return text ? new DOMParser().parseFromString(text, "text/html") : null;
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
  const waiting = pairs.filter(([part, fresh]) => {
    if (!part.isConnected) return false;
    if (part.matches(":hover, :focus-within") || document.querySelector("dialog[open]")) return true;
    if (fresh) part.replaceWith(fresh);
    else part.remove();
    return false;
  });
  showTimes();
  if (waiting.length) timer = setTimeout(replace, PAUSE, waiting);
}
