// Suggests names during typing (`data-suggest`): company names by default. A field with `data-append` adds the chosen
// name to a text field, on a separate line.
import { send } from "./api.js";
import { byId, targetOf } from "./elements.js";

const PAUSE = 150;
const AT_MOST = 20;

export function startSuggestions() {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  document.addEventListener("input", (event) => {
    const input = targetOf(event);
    if (!(input instanceof HTMLInputElement) || !input.matches("[data-suggest]")) return;
    // A typed name may be the beginning of a longer one.
    if (!isTyped(event) && appendChosen(input)) return;
    clearTimeout(timer);
    timer = setTimeout(() => suggest(input), PAUSE);
  });
  document.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.matches("[data-append]")) appendChosen(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const input = targetOf(event);
    if (event.key !== "Enter" || !(input instanceof HTMLInputElement) || !input.matches("[data-append]")) return;
    event.preventDefault();
    appendChosen(input);
  });
}

/**
 * Returns whether an input event is about typed text, and not about the choice of a suggestion.
 * @param {Event} event
 */
const isTyped = (event) =>
  event instanceof InputEvent && !["", "insertReplacementText"].includes(event.inputType ?? "");

/** @param {HTMLInputElement} input */
async function suggest(input) {
  const search = input.value.trim();
  if (!search) return;
  // Companies, or the list whose URL is in `data-source`, which is searched by name.
  const source = input.dataset.source;
  const address = source
    ? `${source}&${new URLSearchParams({ name: search })}`
    : `/api/companies?${new URLSearchParams({ search })}`;
  /** @type {{ name: string }[]} */
  const found = await send("GET", address).then(
    ({ data }) => data.items,
    () => [],
  );
  const options = found.slice(0, AT_MOST).map(({ name: value }) => {
    const option = document.createElement("option");
    option.value = value;
    return option;
  });
  byId(input.dataset.suggest ?? "").replaceChildren(...options);
}

/**
 * Adds the name in the field to the text field, if it is one of the suggestions. Returns whether it was.
 * @param {HTMLInputElement} input
 */
function appendChosen(input) {
  if (!input.dataset.append || ![...(input.list?.options ?? [])].some(({ value }) => value === input.value)) {
    return false;
  }
  const text = byId(input.dataset.append, HTMLTextAreaElement);
  const lines = text.value.split("\n").filter((line) => line.trim());
  if (!lines.includes(input.value)) lines.push(input.value);
  text.value = lines.join("\n");
  text.dispatchEvent(new Event("input", { bubbles: true }));
  input.value = "";
  return true;
}
