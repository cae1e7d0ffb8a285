// One status, changed at once: by the menu, or by 1 to 6. Shown first, reverted with a message when refused,
// undone from the toast. Compare-and-set: if someone else was faster, the reader decides.
import { Refused, send } from "./api.js";
import { askConflict } from "./conflict.js";
import { label, paint, placesOf, placeOf, STATUSES } from "./places.js";
import { toast } from "./toast.js";

let current = null;
let pressed = null;

// What was written for a place and not sent: the menu shows it again.
const notes = new Map();
const keepNote = (place, note) => { if (note) notes.set(place.on, note); };

export function startQuickChange() {
  const menu = document.getElementById("status-menu");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.status");
    if (!button) return;
    event.preventDefault();
    // The press that closed this very button's menu is not one to open it again.
    if (pressed !== button) openMenu(placeOf(button));
    pressed = null;
  });
  menu.addEventListener("click", (event) => {
    const choice = event.target.closest(".choice");
    if (choice) choose(choice.dataset.status);
  });
  menu.addEventListener("keydown", menuKey);
  document.addEventListener("pointerdown", (event) => {
    const button = event.target.closest("button.status");
    pressed = menu.matches(":popover-open") && button === current?.trigger ? button : null;
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.hidePopover();
  });
  menu.addEventListener("beforetoggle", (event) => {
    if (event.newState === "closed" && current) keepNote(current, document.getElementById("status-menu-note").value);
  });
  menu.addEventListener("toggle", (event) => {
    current?.trigger.setAttribute("aria-expanded", String(event.newState === "open"));
    if (event.newState === "closed" && menu.contains(document.activeElement)) current?.trigger.focus();
  });
}

export function openMenu(place) {
  const menu = document.getElementById("status-menu");
  current = place;
  document.getElementById("status-menu-name").textContent = `${place.companyName}: ${place.issueName}`;
  document.getElementById("status-menu-note").value = notes.get(place.on) ?? "";
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
  } else if (typing && event.key === "Tab" && !event.shiftKey) {
    // The menu stands at the end of the document; the reader goes on after the status.
    event.currentTarget.hidePopover();
    current.trigger.focus();
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
  notes.delete(place.on);
  place.trigger.focus();
  change(place, status, note);
}

const turns = new Map();

// Sets one assignment, provided that it still is as it was shown. Shown at once; changes of one place take turns, so
// that two quick ones are never in conflict with each other.
export function change(place, status, note = "") {
  const before = { status: place.status, at: place.at, stale: place.element.classList.contains("stale") };
  if (status === before.status && !note) return;
  show(place, status, new Date().toISOString(), true);
  const turn = (turns.get(place.on) ?? Promise.resolve(before)).then((held) => set(place, status, note, held));
  turns.set(place.on, turn);
  turn.finally(() => turns.get(place.on) === turn && turns.delete(place.on));
}

// Resolves with how the place stands then. `held` is how it stands now, as far as this page knows.
async function set(place, status, note, held) {
  try {
    const body = new URLSearchParams({ on: `${place.on}-${held.status ?? "none"}`, status, note, single: "1" });
    const { data, requestId } = await send("POST", "/assignments/bulk", body);
    if (data.moved.length) return await settle(place, status, note, data.moved[0]);
    if (!data.changed.length) return stay(place, status, note, held);
    const stands = { status, at: data.changed[0].at, stale: false };
    show(place, status, stands.at, false);
    toast(`${place.companyName}: ${label(status)}`, { action: "Undo", run: () => undo(requestId) });
    remember(requestId);
    return stands;
  } catch (error) {
    restore(place, held);
    if (!(error instanceof Refused)) throw error;
    keepNote(place, note);
    toast(`${error.status ? "Not changed. " : ""}${error.message}`, { wrong: true, action: "Again", run: () => change(fresh(place), status, note) });
    return held;
  }
}

// It is so already: nothing was stored, and a note would be lost.
function stay(place, status, note, held) {
  const stands = status === held.status ? held : { status, at: held.at, stale: false };
  restore(place, stands);
  keepNote(place, note);
  toast(`${place.companyName} is ${label(status)} already.${note ? " A note goes with a change; the menu keeps it for the next one." : ""}`);
  return stands;
}

async function settle(place, mine, note, moved) {
  const theirs = { status: moved.status, at: moved.at, stale: false };
  restore(place, theirs);
  const keep = await askConflict(place, mine, moved);
  fresh(place).trigger.focus();
  if (keep) return set(place, mine, note, theirs);
  keepNote(place, note);
  return theirs;
}

const fresh = (place) => placesOf(place.issueId, place.companyId)[0] ?? place;

function show(place, status, at, busy) {
  for (const each of placesOf(place.issueId, place.companyId)) {
    paint(each, status, at);
    if (busy) each.trigger.setAttribute("aria-busy", "true");
    else each.trigger.removeAttribute("aria-busy");
  }
}

// Back to how it stood, with the time since when and the mark of what has not moved.
function restore(place, { status, at, stale }) {
  show(place, status, at, false);
  for (const { element } of placesOf(place.issueId, place.companyId)) element.classList.toggle("stale", stale && element.matches("tr"));
}

let last = null;

// The change that the key for undo takes back.
export const remember = (requestId) => { last = requestId; };

export function undoLast() {
  if (!last) return false;
  undo(last);
  return true;
}

// Takes back everything that one request of ours changed, unless someone changed it since.
export async function undo(requestId) {
  try {
    const { data } = await send("POST", "/undo", new URLSearchParams({ request_id: requestId }));
    if (last === requestId) last = null;
    apply(data.changed);
    focusOn(data.changed);
    toast(data.text);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, { wrong: true });
  }
}

export function apply(changes) {
  for (const { on, status, at } of changes) {
    for (const place of placesOf(...on.split("-"))) paint(place, status, at);
  }
}

// Where a change was made is where the reader goes on, once the button that made it is gone.
export function focusOn(changes) {
  const [place] = changes.length ? placesOf(...changes[0].on.split("-")) : [];
  if (place && !document.activeElement?.closest("input, textarea, select")) place.trigger.focus({ preventScroll: true });
}
