// The filters and their results. Filters are applied during typing; totals, errors and the CSV link are updated with
// the results. A response without results replaces nothing: the page keeps its results and shows why.
import { signIn } from "./api.js";
import { all, byId, find } from "./elements.js";
import { record, startRestore } from "./restore.js";
import { toast } from "./toast.js";

const PAUSE = 250;

/**
 * The filters of the shown results; null after a failed request, so that the same filters can be sent again.
 * @type {string | null}
 */
let applied = null;

/**
 * Restores the state of the results that are being replaced, such as the selection.
 * @type {(() => void) | null}
 */
let restore = null;

/**
 * The request for results that was sent last. Only its response may replace them.
 * @type {HtmxContext | null}
 */
let newest = null;

/** Whether that request is under way. */
let loading = false;

export function startResults() {
  document.addEventListener("htmx:before:request", beginLoading);
  document.addEventListener("htmx:before:response", useNewest);
  document.addEventListener("htmx:finally:request", endLoading);
  document.addEventListener("htmx:before:response", handleSessionEnd);
  document.addEventListener("htmx:after:request", dropFallback);
  document.addEventListener("htmx:before:swap", checkResponse);
  document.addEventListener("htmx:error", reportSilence);
  document.addEventListener("htmx:after:swap", followResults);
  startRestore();
  /** @type {HTMLFormElement | null} */
  const form = document.querySelector("form#filters");
  if (form) watch(form);
}

/** @param {HtmxContext} ctx */
const isForResults = ({ target }) => target?.id === "results";

/** @param {HtmxContext} ctx */
const isFilter = ({ sourceElement }) => sourceElement.matches("#filters");

/**
 * Stops a request for the results of the present address while new filters are under way: they replace it.
 * @param {HtmxEvent} event
 */
function beginLoading(event) {
  const { ctx } = event.detail;
  if (!isForResults(ctx)) return;
  if (loading && newest && isFilter(newest) && !isFilter(ctx)) return event.preventDefault();
  newest = ctx;
  loading = true;
}

/**
 * Ignores the response to an earlier request. Another response may have replaced the results since the newest one was
 * sent; htmx would then ignore it.
 * @param {HtmxEvent} event
 */
function useNewest(event) {
  const { ctx } = event.detail;
  if (!isForResults(ctx)) return;
  if (ctx !== newest) event.preventDefault();
  else ctx.target = byId("results");
}

/** @param {HtmxEvent} event */
function endLoading({ detail: { ctx } }) {
  if (ctx === newest) loading = false;
}

/**
 * Sends the filters when they have changed: soon after typing, immediately after anything else.
 * @param {HTMLFormElement} form
 */
function watch(form) {
  applied = filtersOf(form);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const apply = () => {
    clearTimeout(timer);
    const filters = filtersOf(form);
    if (filters === applied) return;
    applied = filters;
    form.dispatchEvent(new Event("filter"));
  };
  form.addEventListener("input", (event) => {
    if (!(event.target instanceof HTMLInputElement) || event.target.type !== "search") return;
    clearTimeout(timer);
    timer = setTimeout(apply, PAUSE);
  });
  form.addEventListener("change", apply);
  form.addEventListener("submit", () => {
    applied = filtersOf(form);
  });
  // Empty filters are left out of the URL.
  form.addEventListener("htmx:config:request", (event) => dropEmpty(event.detail.ctx.request.body));
  form.addEventListener("formdata", (event) => dropEmpty(event.formData));
}

/** @param {FormData | URLSearchParams} fields */
function dropEmpty(fields) {
  for (const [name, value] of [...fields]) if (value === "") fields.delete(name);
}

/** @param {HTMLFormElement} form */
const filtersOf = (form) => parameters(form).toString();

/**
 * A form as URL parameters. The forms of the pages that use this have no files.
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} [submitter]
 */
export const parameters = (form, submitter) => new URLSearchParams(/** @type {any} */ (new FormData(form, submitter)));

/**
 * If the session has ended, lets the user sign in here and repeats the request, instead of leaving the page and losing
 * what was typed.
 * @param {HtmxEvent} event
 */
async function handleSessionEnd(event) {
  const { ctx } = event.detail;
  if (!ctx.hx.redirect) return;
  event.preventDefault();
  applied = null;
  if (!(await signIn())) return;
  const form = ctx.sourceElement;
  if (!(form instanceof HTMLFormElement) || !form.matches("#filters")) return refresh();
  applied = filtersOf(form);
  form.dispatchEvent(new Event("filter"));
}

/**
 * Takes the buttons of statuses out of the form that they send without script. Otherwise, the browser looks for the
 * first of its buttons whenever it inserts another one, which takes seconds for the rows of hundreds of companies.
 * @param {HtmxEvent} event
 */
function dropFallback({ detail: { ctx } }) {
  ctx.text = ctx.text.replaceAll('<button form="change"', '<button type="button"');
}

/**
 * Shows the message of an error page, which contains no results and whose URL must not be recorded in the history.
 * @param {HtmxEvent} event
 */
function checkResponse(event) {
  const { ctx } = event.detail;
  const { redirected, url } = ctx.response.raw;
  if (redirected && new URL(url).pathname !== location.pathname) {
    event.preventDefault();
    // What was typed for the earlier issue is still on the page.
    toast("This issue has been merged into another one.", { action: "Open it", run: () => location.assign(url) });
    return;
  }
  const page = ctx.response.status < 400 ? null : new DOMParser().parseFromString(ctx.text, "text/html");
  if (!page || page.querySelector(ctx.select)) {
    restore = ctx.target?.id === "results" ? record() : null;
    return;
  }
  event.preventDefault();
  const reason = page.querySelector("[data-reason]")?.textContent;
  reportFailure(reason ?? `The server refused the request (${ctx.response.status}).`);
}

/** @param {HtmxEvent} event */
function reportSilence(event) {
  if (event.detail.ctx?.request) reportFailure("The server did not respond.");
}

/** @param {string} sentence */
function reportFailure(sentence) {
  applied = null;
  toast(`${sentence} The page still shows the earlier results.`, { wrong: true });
}

function followResults() {
  restore?.();
  restore = null;
  for (const wrong of all("#filters .wrong")) {
    const field = document.querySelector(`#filters [aria-describedby="${wrong.id}"]`);
    if (wrong.textContent) field?.setAttribute("aria-invalid", "true");
    else field?.removeAttribute("aria-invalid");
  }
  const { totals, csv } = document.getElementById("results")?.dataset ?? {};
  if (totals === undefined) return;
  const numbers = totals.trim().split(" ");
  all("#totals .chip").forEach((chip, index) => {
    const number = numbers[index] ?? "0";
    find("b", chip).textContent = number;
    chip.classList.toggle("zero", number === "0");
  });
  byId("csv", HTMLAnchorElement).href = csv ?? "";
}

/** The path from which this page can be loaded. */
export const ownPath = () => location.pathname + location.search;

/** Loads the results again. */
export function refresh() {
  window.htmx?.ajax("GET", ownPath(), {
    target: "#results",
    select: "#results",
    selectOOB: "#filters .wrong",
    swap: "outerHTML",
  });
}
