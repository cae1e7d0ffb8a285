// Someone else changed the same thing: say who and when, and let the reader keep theirs or take the other.
import { send } from "./api.js";
import { label } from "./places.js";
import { when } from "./times.js";

// Resolves with true to keep mine.
export async function askConflict(place, mine, theirs) {
  const query = new URLSearchParams({ issueName: place.issueName, companyName: place.companyName, limit: "1" });
  const { data } = await send("GET", `/api/events?${query}`);
  const event = data.items[0];
  const dialog = document.getElementById("conflict");
  const who = event ? `${event.actor.name}, ${when(new Date(event.at))}` : "Someone else";
  document.getElementById("conflict-text").textContent =
    `${place.companyName} in “${place.issueName}” was set to ${label(theirs)} by ${who}, after this page showed it.`;
  const [keep, take] = dialog.querySelectorAll("button");
  keep.textContent = `Keep mine: ${label(mine)}`;
  take.textContent = `Take theirs: ${label(theirs)}`;
  dialog.showModal();
  return new Promise((resolve) => {
    let answer = false;
    keep.onclick = () => { answer = true; dialog.close(); };
    take.onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(answer), { once: true });
  });
}
