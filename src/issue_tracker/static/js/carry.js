// What the reader holds in the results (ticks, note, folds, focus, scroll) when they are drawn anew: put back where it
// still belongs.
import { placeOf, placesOf } from "./places.js";
import { count } from "./selection.js";

// How to find again what had the focus last, other than the button that shows the updates and goes with them.
let last = null;

export function startCarry() {
  document.addEventListener("focusin", (event) => {
    if (event.target.id !== "updates") last = event.target.closest("#results") ? finder(event.target) : null;
  });
}

// Call it before the results go; what it returns, after others came.
export function hold() {
  const before = document.getElementById("results");
  const ticked = new Set([...before.querySelectorAll("[name=on]:checked")].map((box) => box.value));
  const cells = [...before.querySelectorAll("#cells input")].map((input) => input.value);
  const note = before.querySelector(".bulk [name=note]")?.value;
  const folds = [...before.querySelectorAll("details")].map((fold) => fold.open);
  const frame = before.querySelector(".matrix-frame");
  const scrolled = [scrollX, scrollY, frame?.scrollLeft, frame?.scrollTop];
  const focused = before.contains(document.activeElement);
  return () => {
    const results = document.getElementById("results");
    for (const box of results.querySelectorAll("[name=on][type=checkbox]")) box.checked = ticked.has(box.value);
    for (const on of cells) press(cellOf(on));
    const field = results.querySelector(".bulk [name=note]");
    if (field && note) field.value = note;
    results.querySelectorAll("details").forEach((fold, index) => { fold.open = folds[index] ?? fold.open; });
    if (focused) focus(results);
    results.querySelector(".matrix-frame")?.scrollTo(scrolled[2] ?? 0, scrolled[3] ?? 0);
    scrollTo(scrolled[0], scrolled[1]);
    count();
  };
}

const cellOf = (on) => placesOf(...on.split("-")).map((place) => place.element).find((element) => element.matches("td"));

// The key that selects a cell: the grid itself knows what is selected in it.
const press = (cell) => cell?.dispatchEvent(new KeyboardEvent("keydown", { key: "x", bubbles: true, cancelable: true }));

function focus(results) {
  const element = last?.() ?? results;
  if (!element.matches("a, button, input, summary")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

function finder(element) {
  if (element.matches("td")) {
    const { on } = placeOf(element);
    return () => cellOf(on);
  }
  const row = element.closest("tr[data-on]");
  const scope = row ? `tr[data-on="${row.dataset.on}"]` : ".bulk";
  const kind = ["a", ".status", "[name=note]", `button[value="${CSS.escape(element.value ?? "")}"]`, "input"].find((each) => element.matches(each));
  return () => (kind ? document.querySelector(`#results ${scope} ${kind}`) : null);
}
