// Someone else changed the same thing: say who and when, and let the reader keep theirs or take the other.
import { label } from "./places.js";
import { when } from "./times.js";

// `moved` is what the server said of it: the status now, by whom, and when. Resolves with true to keep mine.
export function askConflict(place, mine, moved) {
  const dialog = document.getElementById("conflict");
  const now = moved.status ? `set to ${label(moved.status)}` : "taken off";
  const who = `${moved.by}${moved.at ? `, ${when(new Date(moved.at))}` : ""}`;
  document.getElementById("conflict-text").textContent =
    `${place.companyName} in “${place.issueName}” was ${now} by ${who}, after this page showed it.`;
  const [keep, take] = dialog.querySelectorAll("button");
  keep.textContent = `Keep mine: ${label(mine)}`;
  take.textContent = `Take theirs: ${moved.status ? label(moved.status) : "not affected"}`;
  dialog.showModal();
  return new Promise((resolve) => {
    let answer = false;
    keep.onclick = () => { answer = true; dialog.close(); };
    take.onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(answer), { once: true });
  });
}
