// Starts everything that a page does beyond links and forms. Each module has one job and finds its own elements.
import { startDrafts } from "./drafts.js";
import { startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { startMatrix } from "./matrix.js";
import { startQuickChange } from "./quick-change.js";
import { startResults } from "./results.js";
import { startReview } from "./review.js";
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
  startSuggestions();
  startSelection();
  startMatrix();
  startQuickChange();
  startReview();
  startKeyboard();
  startResults();
  startLive();
}
document.documentElement.dataset.ready = "";
