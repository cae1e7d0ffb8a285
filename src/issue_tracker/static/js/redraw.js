// What stands beside the rows and tells of them (history, numbers): taken anew from the page after a change, each part
// when neither pointer nor focus is on it.
import { ownPath } from "./results.js";
import { showTimes } from "./times.js";

const PAUSE = 400;
let due = null;

// Soon, and once for many events. A part that the page has no more goes.
export function redraw() {
  clearTimeout(due);
  due = setTimeout(fetchParts, PAUSE);
}

async function fetchParts() {
  const asked = due;
  const anew = await pageAnew();
  if (!anew || due !== asked) return;
  put([...document.querySelectorAll("[data-redraw]")].map((part) => [part, counterpart(anew, part)]));
}

// This page as it would be drawn now; null where it cannot be had.
export async function pageAnew() {
  const response = await fetch(ownPath(), { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) }).catch(() => null);
  if (!response?.ok || response.redirected) return null;
  const text = await response.text().catch(() => "");
  return text ? new DOMParser().parseFromString(text, "text/html") : null;
}

const counterpart = (page, part) => (part.id
  ? page.getElementById(part.id)
  : page.querySelector(`tbody[data-issue="${part.closest("tbody").dataset.issue}"] [data-redraw]`));

function put(pairs) {
  const waiting = pairs.filter(([part, fresh]) => {
    if (!part.isConnected) return false;
    if (part.matches(":hover, :focus-within") || document.querySelector("dialog[open]")) return true;
    if (fresh) part.replaceWith(fresh);
    else part.remove();
    return false;
  });
  showTimes();
  if (waiting.length) due = setTimeout(put, PAUSE, waiting);
}
