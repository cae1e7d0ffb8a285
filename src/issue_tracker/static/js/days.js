// The activity has a heading for each day. The server does not know the time zone of the reader, so its days are those
// of UTC; this module divides the entries by local days.
import { all, find } from "./elements.js";
import { showTimes } from "./times.js";

export function startDays() {
  divide();
  document.addEventListener("htmx:after:swap", divide);
}

/** @param {HTMLElement} entry */
const timeOf = (entry) => find(":scope > time", entry, HTMLTimeElement);

function divide() {
  const sections = all("#activity > .day");
  const entries = all("#activity .history > li");
  /** @type {Map<string, HTMLElement[]>} */
  const days = new Map();
  for (const entry of entries) {
    const day = new Date(timeOf(entry).dateTime).toDateString();
    days.set(day, [...(days.get(day) ?? []), entry]);
  }
  const [pattern] = sections;
  if (!pattern) return;
  const fresh = [...days.values()].map((some) => section(pattern, some));
  document.getElementById("activity")?.replaceChildren(...fresh);
  showTimes();
}

/**
 * @param {HTMLElement} pattern a section of another day
 * @param {HTMLElement[]} entries
 */
function section(pattern, entries) {
  const day = /** @type {HTMLElement} */ (pattern.cloneNode(true));
  const [first] = entries;
  if (first) find("h2 time", day, HTMLTimeElement).dateTime = timeOf(first).dateTime;
  find(".history", day).replaceChildren(...entries);
  return day;
}
