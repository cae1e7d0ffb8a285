// Others' changes: in place and briefly highlighted where they are shown, counted behind a button where they are not.
import { isOwn } from "./api.js";
import { highlight, paint, placesOf, STATUSES } from "./places.js";
import { pageAnew, redraw } from "./redraw.js";
import { refresh } from "./results.js";
import { Stream } from "./stream.js";

const WORDS = { live: "live", waiting: "connecting", broken: "no connection", "signed-out": "signed out" };
const HIDDEN = 20000;
const FRESH = 6000;
const PAUSE = 400;
const fading = new WeakMap();
const unsure = [];
// What one request did is one update, of however many companies.
const pending = new Set();
let asking = null;

export function startLive() {
  const indicator = document.getElementById("connection");
  if (!indicator) return;
  const stream = new Stream(document.querySelector("meta[name=last-event]").content, {
    onEvent: take,
    onState: (state) => {
      indicator.dataset.state = state === "signed-out" ? "broken" : state;
      indicator.firstElementChild.textContent = WORDS[state];
      if (state === "signed-out") stream.stop();
    },
  });
  // A browser has six connections to a server for all of its tabs: only those that someone looks at may hold one.
  const start = () => { if (!document.hidden) stream.start(); };
  start();
  let sleep = null;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(sleep);
    if (document.hidden) sleep = setTimeout(() => stream.stop(), HIDDEN);
    else start();
  });
  document.addEventListener("signed-in", start);
  addEventListener("pagehide", () => stream.stop());
  addEventListener("pageshow", (event) => event.persisted && start());
  document.addEventListener("click", (event) => {
    if (event.target.closest("#updates")) refresh();
  });
  document.addEventListener("htmx:after:swap", () => pending.clear());
}

function take(event) {
  const mine = isOwn(event.request_id);
  const places = event.company_id ? placesOf(event.issue_id, event.company_id) : [];
  if (!(places.length || relevant(event)) || drawn(event.event_id)) return;
  if (event.type === "assignment.status_changed" || event.type === "assignment.created") {
    for (const place of places) {
      paint(place, event.to, event.at);
      if (!mine) mark(place);
    }
  } else if (event.type === "assignment.deleted") {
    for (const place of places) if (place.element.matches("td")) paint(place, null);
  }
  const shown = places.length > 0 && (event.type !== "assignment.deleted" || places[0].element.matches("td"));
  if (!shown && !(mine && places.length)) (certain(event) ? count : ask)(event);
  if (places.length || !narrowed()) tally(event);
  if (document.querySelector(`[data-redraw][id], tbody[data-issue="${event.issue_id}"] [data-redraw]`)) redraw();
}

// By a timer and not by the end of the animation: where motion is reduced, there is none.
function mark(place) {
  const { element } = place;
  highlight(place);
  clearTimeout(fading.get(element));
  fading.set(element, setTimeout(() => element.classList.remove("fresh"), FRESH));
}

// Whether the results on the page show an event already. A late one may have a lower number than some that they show.
function drawn(eventId) {
  const { lastEvent = 0, seen = "" } = document.getElementById("results")?.dataset ?? {};
  return eventId <= Number(lastEvent) || seen.split(",").includes(String(eventId));
}

// Whether the totals are those of some issues only.
const narrowed = () => ["search", "companyId", "companyName", "updatedSince"].some((name) => new URLSearchParams(location.search).has(name));

function tally(event) {
  if (!event.type.startsWith("assignment.")) return;
  for (const [status, by] of [[event.from, -1], [event.to, 1]]) {
    const chip = status && document.querySelector(`#tally [data-total=${status}]`);
    if (!chip) continue;
    const number = Math.max(0, Number(chip.querySelector("b").textContent) + by);
    chip.querySelector("b").textContent = number;
    chip.classList.toggle("zero", number === 0);
  }
}

// Whether the page is about this event at all.
function relevant(event) {
  const form = document.querySelector("[data-about-issue], [data-about-company]")?.dataset ?? {};
  if (form.aboutIssue) return String(event.issue_id) === form.aboutIssue;
  if (form.aboutCompany) return String(event.company_id) === form.aboutCompany;
  if (document.getElementById("companies")) return event.type.startsWith("assignment.") || event.type === "issue.deleted";
  if (!document.getElementById("updates")) return false;
  const asked = new URLSearchParams(location.search);
  const named = (parameter, name) => !asked.get(parameter) || folded(asked.get(parameter)) === folded(name ?? "");
  const tracked = event.type.startsWith("assignment.") || event.type.startsWith("issue.");
  if (location.pathname === "/activity") {
    return !asked.has("before") && (asked.get("type") ? asked.get("type") === event.type : tracked) && named("issueName", event.issue_name) && named("companyName", event.company_name);
  }
  const ids = asked.getAll("companyId").filter(Boolean);
  return event.type.startsWith("assignment.")
    ? named("companyName", event.company_name) && (!ids.length || ids.includes(String(event.company_id))) && [event.from, event.to].some(wanted)
    : tracked;
}

// Whether the filters ask for assignments in this status.
function wanted(status) {
  const asked = new URLSearchParams(location.search);
  const statuses = asked.getAll("status").filter(Boolean);
  const open = STATUSES.indexOf(status) < STATUSES.indexOf("resolved");
  return Boolean(status) && (!statuses.length || statuses.includes(status)) && (!asked.get("open") || asked.get("open") === String(open));
}

// Whether the page can tell by itself that this event belongs to it.
function certain(event) {
  const asked = new URLSearchParams(location.search);
  const filters = event.type.startsWith("assignment.")
    ? ["search", "updatedSince"]
    : ["search", "updatedSince", "status", "open", "companyName", "companyId"];
  const listed = document.getElementById("filters");
  return !listed || !filters.some((name) => asked.get(name)) || Boolean(document.querySelector(`[data-issue="${event.issue_id}"]`));
}

// Only the server knows whether a search finds an issue that is not shown: what it would show now is looked at.
function ask(event) {
  unsure.push(event);
  clearTimeout(asking);
  asking = setTimeout(settle, PAUSE);
}

async function settle() {
  const events = unsure.splice(0);
  const anew = await pageAnew();
  for (const event of events) {
    if (!drawn(event.event_id) && (!anew || anew.querySelector(`[data-issue="${event.issue_id}"]`))) count(event);
  }
}

// As the server compares names: upper case first, because that is how "ß" and "ss" meet.
const folded = (name) => name.trim().normalize("NFC").toUpperCase().toLowerCase();

function count(event) {
  const button = document.getElementById("updates");
  if (!button) return;
  pending.add(event.request_id || event.event_id);
  button.textContent = `${pending.size} ${pending.size === 1 ? "update" : "updates"}, show`;
  button.hidden = false;
}
