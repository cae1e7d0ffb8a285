// Ticking rows: one, a range with Shift, all of an issue, all of a table. Counts what is ticked for the bulk bar.
let anchor = null;

const boxes = (root = document) => [...root.querySelectorAll("#selection input[name=on][type=checkbox]")].filter((box) => box.checkVisibility());

export function startSelection() {
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (box.matches?.("input[data-all]")) tickAll(box);
    else if (box.matches?.("#selection input[name=on][type=checkbox]")) tick(box, event.shiftKey);
  });
  document.addEventListener("reset", () => setTimeout(count));
  document.addEventListener("htmx:after:swap", count);
  count();
}

export function tick(box, range) {
  if (range && anchor?.isConnected) {
    const all = boxes();
    const [from, to] = [all.indexOf(anchor), all.indexOf(box)].sort((a, b) => a - b);
    if (from >= 0) for (const each of all.slice(from, to + 1)) each.checked = box.checked;
  }
  anchor = box;
  count();
}

function tickAll(box) {
  const scope = box.closest("tbody") ?? box.closest("table");
  for (const each of scope.querySelectorAll("input[name=on]")) each.checked = box.checked;
  count();
}

export function clearSelection() {
  const form = document.getElementById("selection");
  if (!form) return;
  form.reset();
  setTimeout(count);
}

export function count() {
  const form = document.getElementById("selection");
  if (!form) return;
  for (const all of form.querySelectorAll("input[data-all]")) {
    const scope = all.closest("tbody") ?? all.closest("table");
    const inside = [...scope.querySelectorAll("input[name=on]")];
    const ticked = inside.filter((each) => each.checked).length;
    all.checked = inside.length > 0 && ticked === inside.length;
    all.indeterminate = ticked > 0 && ticked < inside.length;
    all.disabled = inside.length === 0;
  }
  const n = form.querySelectorAll("input[name=on]:checked, #cells input").length;
  const output = document.getElementById("picked");
  const text = `${n} selected`;
  if (output && output.textContent !== text) output.textContent = text;
  document.body.classList.toggle("lifted", n > 0);
}
