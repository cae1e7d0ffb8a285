// Filters while typing, without emptying the selection for nothing; totals and the CSV link follow what is shown.
const PAUSE = 250;

export function startResults() {
  document.addEventListener("htmx:after:swap", follow);
  const form = document.getElementById("filters");
  if (form) watch(form);
}

// Sends the filters when what they ask for has changed: soon after typing, at once after anything else.
function watch(form) {
  let asked = ask(form);
  let timer = null;
  const apply = () => {
    clearTimeout(timer);
    const now = ask(form);
    if (now === asked) return;
    asked = now;
    form.dispatchEvent(new Event("filter"));
  };
  form.addEventListener("input", (event) => {
    if (event.target.type !== "search") return;
    clearTimeout(timer);
    timer = setTimeout(apply, PAUSE);
  });
  form.addEventListener("change", apply);
  form.addEventListener("submit", () => { asked = ask(form); });
  // What is not asked for does not stand in the URL.
  form.addEventListener("htmx:config:request", (event) => {
    const { body } = event.detail.ctx.request;
    for (const [name, value] of [...body]) if (value === "") body.delete(name);
  });
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}

const ask = (form) => new URLSearchParams(new FormData(form)).toString();

function follow() {
  const results = document.getElementById("results");
  if (!results?.dataset.totals) return;
  const totals = results.dataset.totals.trim().split(" ");
  document.querySelectorAll("#tally .chip").forEach((chip, index) => {
    chip.querySelector("b").textContent = totals[index];
    chip.classList.toggle("zero", totals[index] === "0");
  });
  document.getElementById("csv").href = results.dataset.csv;
}

export function refresh() {
  return htmx.ajax("GET", location.pathname + location.search, { target: "#results", select: "#results", swap: "outerHTML" });
}
