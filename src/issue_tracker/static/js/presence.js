// Shows who else is viewing this issue. The page reports every half minute that it is open, as long as it is visible
// and was used in the last ten minutes: a page that was left open must not extend its session.

const BEAT = 30_000;
const AWAY = 10 * 60_000;

/** Milliseconds until this page reports again after another tab has left the issue, of which the server then knows. */
const AFTER_OTHERS = 1_000;

let lastInput = Date.now();

/** @param {string} issueId */
export function startPresence(issueId) {
  const shown = document.createElement("p");
  shown.className = "presence quiet";
  shown.setAttribute("role", "status");
  document.querySelector("main .head")?.after(shown);
  const path = `/issues/${issueId}/presence`;
  const beat = () => {
    if (!document.hidden && Date.now() - lastInput < AWAY) void sayHere(path, shown);
  };
  for (const name of ["pointerdown", "pointermove", "keydown", "scroll"]) {
    addEventListener(name, () => (lastInput = Date.now()), { passive: true });
  }
  beat();
  setInterval(beat, BEAT);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    lastInput = Date.now();
    beat();
  });
  // The server knows users and not their tabs: a tab that leaves the issue ends their presence, though another stays.
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("issue-tracker-presence") : null;
  channel?.addEventListener("message", ({ data }) => data === path && setTimeout(beat, AFTER_OTHERS));
  addEventListener("pagehide", () => {
    // The browser completes this request even while it closes the page.
    void post(path, { leave: "true" });
    channel?.postMessage(path);
  });
}

/**
 * @param {string} path
 * @param {HTMLElement} shown
 */
async function sayHere(path, shown) {
  const response = await post(path, {});
  if (!response?.ok || response.redirected) return;
  const fresh = document.createRange().createContextualFragment((await response.text()).trim());
  if (shown.textContent !== fresh.textContent) shown.replaceChildren(fresh);
}

/**
 * @param {string} path
 * @param {Record<string, string>} fields
 */
function post(path, fields) {
  const token = document.querySelector("meta[name=csrf]");
  const headers = {
    "X-CSRF-Token": token instanceof HTMLMetaElement ? token.content : "",
    "X-Fragment": "1",
  };
  return fetch(path, { method: "POST", headers, body: new URLSearchParams(fields), keepalive: true }).catch(() => null);
}
