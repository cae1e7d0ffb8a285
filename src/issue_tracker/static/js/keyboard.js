// The keys: / j k x 1-6 u o n ? and Esc. Off while someone types (but Esc leaves a filter), and while a dialog is open.
import { placeOf, STATUSES } from "./places.js";
import { change, undoLast } from "./quick-change.js";
import { clearSelection, tick } from "./selection.js";

export function startKeyboard() {
  const help = document.getElementById("help");
  document.getElementById("help-button").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (typing) return leave(event, typing);
    if (document.querySelector("dialog[open], :popover-open")) return;
    if (run(event, help)) event.preventDefault();
  });
}

// Escape leaves a filter, so that the keys work again. What was typed stays: by itself a search field would empty.
function leave(event, field) {
  if (event.key !== "Escape" || !field.closest("[role=search]")) return;
  event.preventDefault();
  field.blur();
}

function run(event, help) {
  const place = placeOf(event.target);
  if (/^[1-6]$/.test(event.key) && place) {
    change(place, STATUSES[event.key - 1]);
    return true;
  }
  switch (event.key) {
    case "/": return focus(document.getElementById("search"));
    case "?": help.showModal(); return true;
    case "n": location.assign("/issues/new"); return true;
    case "j": return step(event.target, 1);
    case "k": return step(event.target, -1);
    case "o": return Boolean(place) && open(place);
    case "x": case "X": return Boolean(place) && pick(place, event.shiftKey);
    case "u": return undoLast();
    case "Escape": clearSelection(); return true;
    default: return false;
  }
}

function focus(element) {
  element?.focus();
  element?.select();
  return Boolean(element);
}

function step(from, by) {
  const cell = document.querySelector(".matrix td[tabindex]");
  if (cell?.checkVisibility() && !from.closest(".list")) {
    if (!from.closest(".matrix")) return focusOn(cell);
    const arrow = new KeyboardEvent("keydown", { key: by > 0 ? "ArrowDown" : "ArrowUp", bubbles: true, cancelable: true });
    from.dispatchEvent(arrow);
    return true;
  }
  const rows = [...document.querySelectorAll("tr[data-on]")].filter((row) => row.checkVisibility());
  const at = rows.indexOf(from.closest("tr[data-on]"));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  return next ? focusOn(next.querySelector(".status")) : false;
}

function focusOn(element) {
  element.focus();
  element.scrollIntoView({ block: "nearest" });
  return true;
}

function open(place) {
  location.assign(`/issues/${place.issueId}`);
  return true;
}

function pick(place, range) {
  const box = place.element.querySelector("input[name=on]");
  if (!box) return false;
  box.checked = range || !box.checked;
  tick(box, range);
  return true;
}
