// Quick find: a dialog on every page. It searches during typing; arrow keys move through the results, and Enter follows
// the first one.
import { RequestError, send } from "./api.js";
import { all, byId, find } from "./elements.js";

const PAUSE = 60;

/**
 * The text whose results are shown; null while an error is shown instead.
 * @type {string | null}
 */
let shown = "";

/**
 * The search that is under way for a text.
 * @type {{ text: string, done: Promise<void> } | null}
 */
let underWay = null;

/** Starts searching for the text in the dialog whenever it changes. */
export function startFind() {
  const dialog = byId("find", HTMLDialogElement);
  const input = find("input", dialog, HTMLInputElement);
  if (!dialog.dataset.started) start(dialog, input);
  if (input.value) void search(dialog, input);
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {HTMLInputElement} input
 */
function start(dialog, input) {
  dialog.dataset.started = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void search(dialog, input), PAUSE);
  });
  dialog.addEventListener("keydown", (event) => {
    const links = all(".found a", dialog);
    const current = links.findIndex((link) => link === document.activeElement);
    if (event.key === "ArrowDown") (links[current + 1] ?? input).focus();
    else if (event.key === "ArrowUp") (links[current < 0 ? links.length - 1 : current - 1] ?? input).focus();
    else return;
    event.preventDefault();
  });
}

/**
 * Shows the results for the text in the dialog. A search for the same text that is under way is not repeated.
 * @param {HTMLDialogElement} dialog
 * @param {HTMLInputElement} input
 */
async function search(dialog, input) {
  const text = input.value.trim();
  if (text === shown) return;
  underWay = underWay?.text === text ? underWay : { text, done: request(dialog, input, text) };
  const own = underWay;
  await own.done.finally(() => underWay === own && (underWay = null));
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {HTMLInputElement} input
 * @param {string} text
 */
async function request(dialog, input, text) {
  try {
    const { data } = await send("GET", `/find?${new URLSearchParams({ q: text })}`, undefined, {
      Accept: "text/html",
      "X-Fragment": "1",
    });
    if (input.value.trim() !== text) return;
    shown = text;
    find(".found", dialog).innerHTML = data;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    shown = null;
    find(".found", dialog).textContent = error.message;
  }
}

/** Follows the best result, even if the user types faster than the server responds; not one for an earlier text. */
export async function followFirst() {
  const dialog = byId("find", HTMLDialogElement);
  const input = find("input", dialog, HTMLInputElement);
  await search(dialog, input);
  if (!dialog.open || input.value.trim() !== shown) return;
  const link = dialog.querySelector(".found a");
  if (link instanceof HTMLAnchorElement) link.click();
}
