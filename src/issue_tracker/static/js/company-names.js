// Company names, typed or pasted (`data-companies`): shows below the field which names match exactly, which are likely
// and which are unknown, with buttons to choose a company. The server checks the names again when the form is sent.
import { RequestError, send } from "./api.js";
import { all, find } from "./elements.js";
import { released } from "./pointer.js";

const PAUSE = 250;

/**
 * What one name matches, as the API returns it.
 * @typedef {object} Match
 * @property {string} input
 * @property {"exact" | "likely" | "none"} match
 * @property {string | null} company_name
 * @property {string[]} candidates
 */

export function startCompanyNames() {
  for (const box of all(".names[data-companies]")) {
    // The choices that the page offers without script; left in place, they would be sent too.
    box.querySelector(".unclear")?.remove();
    const text = find("textarea", box, HTMLTextAreaElement);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const check = () => {
      clearTimeout(timer);
      errorOf(box)?.remove();
      timer = setTimeout(() => void match(box, text), PAUSE);
    };
    text.addEventListener("input", check);
    if (text.value.trim()) void match(box, text);
  }
}

/**
 * The error of the sent form, which says the same as the summary. It is removed when the text changes.
 * @param {HTMLElement} box
 */
const errorOf = (box) => box.querySelector(":scope > .field > .wrong");

/**
 * @param {HTMLElement} box
 * @param {HTMLTextAreaElement} text
 */
async function match(box, text) {
  const { value } = text;
  /** @type {Match[]} */
  let found = [];
  if (value.trim()) {
    try {
      found = (await send("POST", "/api/companies/match", { text: value })).data.items;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      // Nothing is lost: the server checks the names when the form is sent.
    }
    await released();
    if (text.value !== value) return;
  }
  show(box, text, value, found);
}

/**
 * @param {HTMLElement} box
 * @param {HTMLTextAreaElement} text
 * @param {string} checked the text that the names were found in
 * @param {Match[]} found
 */
function show(box, text, checked, found) {
  const output = find(".checked", box);
  const focused = output.contains(document.activeElement);
  const unclear = found.filter((one) => one.match !== "exact");
  const summary = document.createElement("p");
  summary.className = "summary";
  summary.textContent = sentence(found);
  summary.hidden = errorOf(box) !== null;
  const lines = unclear.map((one) => choices(one, (name) => replace(text, checked, found, one, name)));
  output.replaceChildren(summary, ...lines);
  output.hidden = found.length === 0;
  if (focused) (output.querySelector("button") ?? text).focus();
}

/** @param {Match[]} found */
function sentence(found) {
  const count = (/** @type {string} */ kind) => found.filter((one) => one.match === kind).length;
  const parts = [`${count("exact")} found`];
  if (count("likely")) parts.push(`${count("likely")} likely (please check)`);
  if (count("none")) parts.push(`${count("none")} unknown`);
  return parts.join(", ");
}

/**
 * Returns one ambiguous name, with a button for each company that it may mean.
 * @param {Match} one
 * @param {(name: string | null) => void} choose
 */
function choices(one, choose) {
  const line = document.createElement("p");
  line.className = one.match;
  const name = document.createElement("bdi");
  name.textContent = one.input;
  line.append(one.match === "likely" ? "? " : "✗ ", name, " ");
  for (const candidate of one.candidates) line.append(button(candidate, candidate, choose));
  line.append(button("Leave out", null, choose));
  return line;
}

/**
 * @param {string} label
 * @param {string | null} name
 * @param {(name: string | null) => void} choose
 */
function button(label, name, choose) {
  const element = document.createElement("button");
  Object.assign(element, { type: "button", className: "button small", textContent: label });
  if (name === null) element.classList.add("bare");
  element.addEventListener("click", () => choose(name));
  return element;
}

/**
 * Writes the names into the field, one per line, as the companies are called; replacing one of them, or removing it if
 * `name` is null. What was typed since the names were checked stays as it is.
 * @param {HTMLTextAreaElement} text
 * @param {string} checked
 * @param {Match[]} found
 * @param {Match} one
 * @param {string | null} name
 */
function replace(text, checked, found, one, name) {
  const names = found.map((each) =>
    each === one ? name : (each.match === "exact" && each.company_name) || each.input,
  );
  const typed = text.value.split("\n").map((line) => (line.trim() === one.input ? name : line));
  const lines = text.value === checked ? [...new Set(names.filter(Boolean))] : typed.filter((line) => line !== null);
  text.value = lines.join("\n");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}
