// Times in the reader's own zone and language; relative for the last day; the exact local and UTC time on hover.
const DAY = 24 * 60 * 60 * 1000;
const clock = { hour: "numeric", minute: "2-digit" };
const sameYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", ...clock });
const otherYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const exactLocal = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

export function when(moment, now = new Date()) {
  const age = now - moment;
  if (age >= 0 && age < DAY) {
    const minutes = Math.floor(age / 60000);
    return minutes < 1 ? relative.format(0, "second") : minutes < 60 ? relative.format(-minutes, "minute") : relative.format(-Math.floor(minutes / 60), "hour");
  }
  return (moment.getFullYear() === now.getFullYear() ? sameYear : otherYear).format(moment);
}

export function setTime(element, iso) {
  element.dateTime = iso;
  show(element, new Date());
}

function show(element, now) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const text = when(moment, now);
  if (element.textContent !== text) element.textContent = text;
}

function explain(event) {
  const element = event.target.closest?.("time");
  if (!element) return;
  const moment = new Date(element.dateTime);
  element.title = `${exactLocal.format(moment)}\n${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function showTimes(root = document) {
  const now = new Date();
  for (const element of root.querySelectorAll("time")) show(element, now);
}

export function startTimes() {
  showTimes();
  setInterval(showTimes, 30000, document);
  document.addEventListener("pointerover", explain, { passive: true });
  document.addEventListener("htmx:after:swap", () => showTimes());
}
