// Starts the scripts of a page. Each module has one task and finds its own elements. Modules that are rarely needed are
// loaded on demand, so that the first view stays small.
import { startDrafts } from "./drafts.js";
import { all, find, targetOf } from "./elements.js";
import { startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { startQuickChange } from "./quick-change.js";
import { startResults } from "./results.js";
import { reviewRemoval, startReview } from "./review.js";
import { startSelection } from "./selection.js";
import { startSuggestions } from "./suggest.js";
import { startTheme } from "./theme.js";
import { startTimes } from "./times.js";

startTimes();
startDrafts();
// Few pages have a form for a passkey.
if (document.querySelector("[data-passkey]")) void import("./passkeys.js").then((module) => module.startPasskeys());
if (document.querySelector("meta[name=actor]")) {
  startTheme();
  // Few pages have something to copy.
  if (document.querySelector("[data-copy]")) void import("./copy.js").then((module) => module.startCopying());
  if (document.querySelector(".names[data-companies]")) {
    void import("./company-names.js").then((module) => module.startCompanyNames());
  }
  if (document.querySelector("[data-similar]")) void import("./similar.js").then((module) => module.startSimilar());
  if (document.querySelector("[data-copies]")) void import("./handover.js").then((module) => module.startHandover());
  const issueId = /^\/issues\/(\d+)$/.exec(location.pathname)?.[1];
  if (issueId) void import("./presence.js").then((module) => module.startPresence(issueId));
  if (location.pathname === "/activity") (await import("./days.js")).startDays();
  if (document.getElementById("notifications")) {
    void import("./notification-switch.js").then((module) => module.startNotificationSwitch());
  }
  startSuggestions();
  if (location.pathname.startsWith("/matrix")) (await import("./matrix.js")).startMatrix();
  if (document.querySelector("[data-select-group]")) {
    void import("./select-group.js").then((module) => module.startSelectingGroups());
  }
  startSelection();
  startQuickChange(reviewRemoval);
  startReview();
  startKeyboard();
  startResults();
  startLive();
  addEventListener("beforeprint", openFolds);
  // The event does not bubble.
  document.addEventListener("toggle", focusOpenedForm, { capture: true });
  // Before the shortcuts, of which Escape clears the selection.
  for (const type of ["click", "focusin", "keydown"]) document.addEventListener(type, closeViews, { capture: true });
}

/**
 * Closes the list of views, which covers a part of the results, when the user goes on elsewhere or presses Escape.
 * @param {Event} event
 */
function closeViews(event) {
  const views = document.querySelector("#views[open]");
  if (!views) return;
  if (event instanceof KeyboardEvent) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    find("summary", views).focus();
  } else if (views.contains(targetOf(event))) return;
  views.removeAttribute("open");
}

/**
 * Moves the focus into a form that the user has just opened by its summary.
 * @param {Event} event
 */
function focusOpenedForm({ target }) {
  if (!(target instanceof HTMLDetailsElement) || !target.open || !target.matches(".edit")) return;
  if (document.activeElement !== target.querySelector(":scope > summary")) return;
  /** @type {HTMLElement | null} */
  const field = target.querySelector("textarea, select, input:not([type=hidden], [type=checkbox])");
  field?.focus();
}

/** Opens folded parts before printing, and closes them afterwards. */
function openFolds() {
  const folds = all(":is(details.fold, .history details):not([open])", document, HTMLDetailsElement);
  for (const fold of folds) fold.open = true;
  addEventListener("afterprint", () => folds.forEach((fold) => (fold.open = false)), { once: true });
}
document.documentElement.dataset.ready = "";
