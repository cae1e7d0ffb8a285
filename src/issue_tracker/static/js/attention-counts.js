// Reloads the counts above the list when data changes: once for several events, and only while the page is visible.

const PAUSE = 1_000;
const TIMEOUT = 15_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** The number of the last request: the responses to earlier ones are ignored. */
let requested = 0;

/** Fetches the counts soon, and only once for many events. */
export function refreshAttentionCounts() {
  if (timer !== undefined || !document.getElementById("attention")) return;
  timer = setTimeout(() => void replaceAttentionCounts(), PAUSE);
}

async function replaceAttentionCounts() {
  timer = undefined;
  if (document.hidden) {
    document.addEventListener("visibilitychange", refreshAttentionCounts, { once: true });
    return;
  }
  const own = ++requested;
  const options = { headers: { "X-Fragment": "1" }, signal: AbortSignal.timeout(TIMEOUT) };
  const response = await fetch("/attention-counts", options).catch(() => null);
  if (!response?.ok || response.redirected) return;
  const text = await response.text().catch(() => "");
  if (own !== requested) return;
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("attention");
  const shown = document.getElementById("attention");
  if (!fresh || !shown) return;
  // A link under the pointer must not move.
  if (shown.matches(":hover, :focus-within")) {
    for (const name of ["pointerleave", "focusout"]) {
      shown.addEventListener(name, refreshAttentionCounts, { once: true });
    }
    return;
  }
  for (const link of fresh.querySelectorAll("a")) {
    if (link.getAttribute("href") === location.pathname + location.search) link.setAttribute("aria-current", "page");
  }
  shown.replaceWith(fresh);
}
