// Filters while typing; totals, errors and the CSV link follow what is shown. An answer without results replaces none.
import { hold, startCarry } from "./carry.js";
import { signInAgain } from "./sign-in.js";
import { toast } from "./toast.js";

const PAUSE = 250;
// What the results on the page were asked with; null when the last asking failed, so that the same is asked again.
let asked = null;
let putBack = null;

export function startResults() {
  document.addEventListener("htmx:before:response", session);
  document.addEventListener("htmx:before:swap", check);
  document.addEventListener("htmx:error", silence);
  document.addEventListener("htmx:after:swap", follow);
  startCarry();
  const form = document.getElementById("filters");
  if (form) watch(form);
}

// Sends the filters when what they ask for has changed: soon after typing, at once after anything else.
function watch(form) {
  asked = ask(form);
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

// The session has ended: sign in here and ask again, instead of leaving the page and what is typed on it.
async function session(event) {
  const { ctx } = event.detail;
  if (!ctx.hx.redirect) return;
  event.preventDefault();
  asked = null;
  if (!(await signInAgain())) return;
  const form = ctx.sourceElement;
  if (!form.matches("#filters")) return refresh();
  asked = ask(form);
  form.dispatchEvent(new Event("filter"));
}

// An error page has nothing to put in place of what is shown. Neither is its URL one to come back to.
function check(event) {
  const { ctx } = event.detail;
  const answer = ctx.response.status < 400 ? null : new DOMParser().parseFromString(ctx.text, "text/html");
  if (!answer || answer.querySelector(ctx.select)) {
    putBack = ctx.target?.id === "results" ? hold() : null;
    return;
  }
  event.preventDefault();
  refuse(answer.querySelector("main h1 + p")?.textContent ?? `The server refused (${ctx.response.status}).`);
}

function silence(event) {
  if (event.detail.ctx?.request) refuse("No answer from the server.");
}

function refuse(sentence) {
  asked = null;
  toast(`${sentence} The page shows what it showed before.`, { wrong: true });
}

function follow() {
  const results = document.getElementById("results");
  putBack?.();
  putBack = null;
  for (const wrong of document.querySelectorAll("#filters .wrong")) {
    const field = document.querySelector(`#filters [aria-describedby="${wrong.id}"]`);
    if (wrong.textContent) field?.setAttribute("aria-invalid", "true");
    else field?.removeAttribute("aria-invalid");
  }
  if (!results?.dataset.totals) return;
  const totals = results.dataset.totals.trim().split(" ");
  document.querySelectorAll("#tally .chip").forEach((chip, index) => {
    chip.querySelector("b").textContent = totals[index];
    chip.classList.toggle("zero", totals[index] === "0");
  });
  document.getElementById("csv").href = results.dataset.csv;
}

// Where this page is to be had. After a form of an issue was refused, the URL is one that only takes what is posted.
export function ownPath() {
  const issue = document.querySelector("[data-about-issue]")?.dataset.aboutIssue;
  const path = issue ? `/issues/${issue}` : location.pathname;
  return path === location.pathname ? path + location.search : path;
}

export function refresh() {
  return htmx.ajax("GET", ownPath(), { target: "#results", select: "#results", selectOOB: "#filters .wrong", swap: "outerHTML" });
}
