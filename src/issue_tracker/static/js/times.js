// Times in the user's time zone and language: relative for the last 24 hours, otherwise with the date; and durations.
// The exact local time and UTC appear on hover.
import { all, targetOf } from "./elements.js";

const DAY = 24 * 60 * 60 * 1000;
const REFRESH = 30_000;

/** @type {Intl.DateTimeFormatOptions} */
const dayAndTime = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
const thisYear = new Intl.DateTimeFormat(undefined, dayAndTime);
const otherYear = new Intl.DateTimeFormat(undefined, { ...dayAndTime, year: "numeric" });
const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const fullDate = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});
const withZone = new Intl.DateTimeFormat(undefined, { ...dayAndTime, year: "numeric", timeZoneName: "short" });
const exactLocal = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const wholeNumber = new Intl.NumberFormat(undefined);
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/**
 * Returns a time with its date, for printed or copied texts.
 * @param {Date} moment
 * @param {Date} [now]
 */
export const clockTime = (moment, now = new Date()) =>
  (moment.getFullYear() === now.getFullYear() ? thisYear : otherYear).format(moment);

/**
 * Returns the text for a time.
 * @param {Date} moment
 * @param {Date} [now]
 */
export function when(moment, now = new Date()) {
  const age = now.getTime() - moment.getTime();
  if (age < 0 || age >= DAY) return clockTime(moment, now);
  const minutes = Math.floor(age / 60_000);
  if (minutes < 1) return relative.format(0, "second");
  return minutes < 60 ? relative.format(-minutes, "minute") : relative.format(-Math.floor(minutes / 60), "hour");
}

/**
 * Returns how long something has lasted: `for 3 h 20 min`.
 * @param {Date} since
 * @param {Date} [now]
 */
function lasting(since, now = new Date()) {
  const minutes = Math.floor((now.getTime() - since.getTime()) / 60_000);
  if (minutes < 1) return "just now";
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  if (days >= 2) return `for ${wholeNumber.format(days)} d`;
  const parts = days ? [`${days} d`, hours && `${hours} h`] : [hours && `${hours} h`, rest && `${rest} min`];
  return `for ${parts.filter(Boolean).join(" ")}`;
}

/**
 * The formats of times by the attribute `data-as`: `clock` is the time of day, with the date unless it is today;
 * `time` never has the date, `day` always has it, and `date` is only the date; `full` includes the year and the time
 * zone, for a reader elsewhere; `lasting` is the duration since then.
 * @type {Record<string, (moment: Date, now: Date) => string>}
 */
const FORMS = {
  clock: (moment, now) => {
    if (moment.toDateString() === now.toDateString()) return timeOfDay.format(moment);
    return (moment.getFullYear() === now.getFullYear() ? thisYear : otherYear).format(moment);
  },
  time: (moment) => timeOfDay.format(moment),
  day: clockTime,
  date: (moment) => fullDate.format(moment),
  full: (moment) => withZone.format(moment),
  lasting,
};

/**
 * @param {HTMLTimeElement} element
 * @param {string} iso
 */
export function setTime(element, iso) {
  element.dateTime = iso;
  show(element, new Date());
}

/**
 * @param {HTMLTimeElement} element
 * @param {Date} now
 */
function show(element, now) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const text = (FORMS[element.dataset.as ?? ""] ?? when)(moment, now);
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Event} event */
function explain(event) {
  const element = targetOf(event).closest("time");
  if (!element) return;
  const moment = new Date(element.dateTime);
  element.title = `${exactLocal.format(moment)}\n${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function showTimes() {
  const now = new Date();
  for (const element of all("time", document, HTMLTimeElement)) show(element, now);
  showTimeControls();
}

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");

/** @param {Date} at */
const localText = (at) =>
  `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;

/** Makes controls for a time show local time. Without script, they show UTC, with a hint. */
function showTimeControls() {
  for (const control of all('input[type="datetime-local"]:not([data-local])', document, HTMLInputElement)) {
    control.dataset.local = "";
    // Not the value, because a browser restores it on a reload, already in local time.
    if (control.defaultValue) control.defaultValue = localText(new Date(`${control.defaultValue}Z`));
    const hint = document.getElementById(`${control.id}-about`);
    if (hint && !control.hasAttribute("aria-invalid")) hint.textContent = "In your local time.";
  }
}

/**
 * Sends the local times of controls in UTC.
 * @param {FormDataEvent} event
 */
function convertTimes({ target, formData }) {
  for (const control of all("[data-local]", /** @type {HTMLFormElement} */ (target), HTMLInputElement)) {
    const at = new Date(control.value);
    if (!Number.isNaN(at.valueOf())) formData.set(control.name, at.toISOString().slice(0, 16));
  }
}

export function startTimes() {
  showTimes();
  document.addEventListener("formdata", convertTimes);
  setInterval(showTimes, REFRESH);
  document.addEventListener("pointerover", explain, { passive: true });
  document.addEventListener("htmx:after:swap", showTimes);
}
