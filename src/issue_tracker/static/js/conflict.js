// The dialog that appears when another user changed the same assignment first: it shows who and when, and the user
// chooses between the two statuses.
import { byId, find } from "./elements.js";
import { label } from "./places.js";
import { when } from "./times.js";

/**
 * What the server reports about an assignment that another user changed: its current status, who changed it, and when.
 * @typedef {{ on: string, company_name: string, status: string | null, by: string, at: string }} Conflict
 */

/** Resolves when the dialog is free: conflicts are shown one after the other. */
let free = Promise.resolve();

/**
 * Resolves with true if the user keeps their own status.
 * @param {import("./places.js").Place} place
 * @param {string} mine
 * @param {Conflict} theirs
 * @returns {Promise<boolean>}
 */
export function askConflict(place, mine, theirs) {
  const answer = free.then(() => ask(place, mine, theirs));
  free = answer.then(() => {});
  return answer;
}

/**
 * @param {import("./places.js").Place} place
 * @param {string} mine
 * @param {Conflict} theirs
 * @returns {Promise<boolean>}
 */
function ask(place, mine, theirs) {
  const dialog = byId("conflict", HTMLDialogElement);
  const change = theirs.status ? `set to ${label(theirs.status)}` : "removed";
  const time = theirs.at ? `, ${when(new Date(theirs.at))}` : "";
  byId("conflict-text").textContent =
    `${place.companyName} in “${place.issueName}” was ${change} by ${theirs.by}${time}, after this page was loaded.`;
  const keep = find("[value=mine]", dialog);
  const take = find("[value=theirs]", dialog);
  keep.textContent = `Keep mine: ${label(mine)}`;
  take.textContent = `Take theirs: ${theirs.status ? label(theirs.status) : "not affected"}`;
  dialog.showModal();
  return new Promise((resolve) => {
    let confirmed = false;
    keep.onclick = () => {
      confirmed = true;
      dialog.close();
    };
    take.onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(confirmed), { once: true });
  });
}
