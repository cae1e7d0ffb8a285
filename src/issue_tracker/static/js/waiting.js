// Reloads the counts above the list when data changes: once for several events, and only while the page is visible.

const PAUSE = 1_000;
const TIMEOUT = 15_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Fetches the counts soon, and only once for many events. */
export function refreshWaiting() {
  if (timer !== undefined || !document.getElementById("waiting")) return;
  timer = setTimeout(() => void replaceWaiting(), PAUSE);
}

async function replaceWaiting() {
  timer = undefined;
  if (document.hidden) {
    document.addEventListener("visibilitychange", refreshWaiting, { once: true });
    return;
  }
  const options = { headers: { "X-Fragment": "1" }, signal: AbortSignal.timeout(TIMEOUT) };
  const response = await fetch("/waiting", options).catch(() => null);
  if (!response?.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("waiting");
  const shown = document.getElementById("waiting");
  // A link under the pointer must not move.
  if (!fresh || !shown || shown.matches(":hover, :focus-within")) return;
  for (const link of fresh.querySelectorAll("a")) {
    if (link.getAttribute("href") === location.pathname + location.search) link.setAttribute("aria-current", "page");
  }
  shown.replaceWith(fresh);
}
