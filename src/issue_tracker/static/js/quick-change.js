// One status, changed at once: by the menu, or by 1 to 6. Shown first, reverted with a message when refused,
// undone from the toast. Compare-and-set: if someone else was faster, the reader decides.
import { Refused, send } from "./api.js";
import { askConflict } from "./conflict.js";
import { label, paint, placesOf, placeOf, STATUSES } from "./places.js";
import { toast } from "./toast.js";

let current = null;

export function startQuickChange() {
  const menu = document.getElementById("status-menu");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.status");
    if (!button) return;
    event.preventDefault();
    openMenu(placeOf(button));
  });
  menu.addEventListener("click", (event) => {
    const choice = event.target.closest(".choice");
    if (choice) choose(choice.dataset.status);
  });
  menu.addEventListener("keydown", menuKey);
  menu.addEventListener("toggle", (event) => {
    current?.trigger.setAttribute("aria-expanded", String(event.newState === "open"));
    if (event.newState === "closed" && menu.contains(document.activeElement)) current?.trigger.focus();
  });
}

export function openMenu(place) {
  const menu = document.getElementById("status-menu");
  current = place;
  document.getElementById("status-menu-name").textContent = `${place.companyName}: ${place.issueName}`;
  document.getElementById("status-menu-note").value = "";
  for (const choice of menu.querySelectorAll(".choice")) choice.setAttribute("aria-pressed", String(choice.dataset.status === place.status));
  menu.showPopover();
  const box = place.trigger.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  menu.style.top = `${box.bottom + 4 + height < innerHeight ? box.bottom + 4 : Math.max(8, box.top - height - 4)}px`;
  (menu.querySelector("[aria-pressed=true]") ?? menu.querySelector(".choice")).focus();
}

function menuKey(event) {
  const typing = event.target.id === "status-menu-note";
  const choices = [...event.currentTarget.querySelectorAll(".choice")];
  const at = choices.indexOf(document.activeElement);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const next = event.key === "ArrowDown" ? at + 1 : (at < 0 ? choices.length : at) - 1;
    (choices[next] ?? document.getElementById("status-menu-note")).focus();
    event.preventDefault();
  } else if (!typing && /^[1-6]$/.test(event.key)) {
    choose(STATUSES[event.key - 1]);
    event.preventDefault();
  } else if (typing && event.key === "Enter") {
    event.preventDefault();
    (event.currentTarget.querySelector("[aria-pressed=true]") ?? choices[0]).focus();
  }
  event.stopPropagation();
}

function choose(status) {
  const note = document.getElementById("status-menu-note").value;
  const place = current;
  document.getElementById("status-menu").hidePopover();
  place.trigger.focus();
  change(place, status, note);
}

// Sets one assignment, provided that it still is as it was shown. `seen` is the status that the reader saw.
export async function change(place, status, note = "", seen = place.status) {
  const before = { status: place.status, at: place.at };
  if (status === before.status && !note) return;
  show(place, status, new Date().toISOString(), true);
  const body = { issue_name: place.issueName, status, companies: [place.companyName] };
  if (seen) body.from = [seen];
  if (note) body.note = note;
  try {
    const { data, requestId } = await send("POST", "/api/issues/status/bulk", body);
    const [result] = data.results;
    show(place, result.outcome === "skipped" ? result.from : status, null, false);
    if (result.outcome === "changed" && (result.from ?? null) !== seen) {
      if (!(await askConflict(place, status, result.from))) await undo(requestId);
    } else if (result.outcome === "changed") {
      toast(`${place.companyName}: ${label(status)}`, { action: "Undo", run: () => undo(requestId) });
    } else if (result.outcome === "unchanged") {
      toast(`${place.companyName} is ${label(status)} already.${note ? " The note was not kept: write it with a change." : ""}`);
    } else if (result.outcome === "skipped") {
      await settle(place, status, note, result.from);
    }
  } catch (error) {
    show(place, before.status, before.at, false);
    if (!(error instanceof Refused)) throw error;
    toast(`${error.status ? "Not changed. " : ""}${error.message}`, { wrong: true, action: "Again", run: () => change(fresh(place), status, note) });
  }
}

async function settle(place, mine, note, theirs) {
  const keep = await askConflict(place, mine, theirs);
  place.trigger.focus();
  if (keep) await change({ ...place, status: theirs }, mine, note, theirs);
}

const fresh = (place) => placesOf(place.issueId, place.companyId)[0] ?? place;

function show(place, status, at, busy) {
  for (const each of placesOf(place.issueId, place.companyId)) {
    paint(each, status, at);
    each.trigger.toggleAttribute("aria-busy", busy);
    if (busy) each.trigger.setAttribute("aria-busy", "true");
  }
}

// Takes back everything that one request of ours changed, unless someone changed it since.
export async function undo(requestId) {
  try {
    const { data } = await send("POST", "/undo", new URLSearchParams({ request_id: requestId }));
    apply(data.changed);
    toast(data.text);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, { wrong: true });
  }
}

export function apply(changes) {
  for (const { on, status, at } of changes) {
    for (const place of placesOf(...on.split("-"))) {
      if (status || place.element.matches("td")) paint(place, status, at);
    }
  }
}
