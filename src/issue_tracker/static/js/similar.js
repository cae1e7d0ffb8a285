// Shows similar issues below the field while a name is typed (`data-similar`): as links, with their state.
import { send } from "./api.js";
import { all, find } from "./elements.js";
import { released } from "./pointer.js";

const PAUSE = 200;
const SHORTEST = 3;

/**
 * @typedef {object} Similar
 * @property {number} issue_id
 * @property {string} name
 * @property {string | null} former_name
 * @property {number} open
 * @property {number} total
 */

export function startSimilar() {
  for (const output of all("[data-similar]")) {
    const input = find(`#${output.dataset.similar}`, document, HTMLInputElement);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => void showSimilar(input, output), PAUSE);
    });
    void showSimilar(input, output);
  }
}

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} output
 */
async function showSimilar(input, output) {
  const name = input.value.trim();
  /** @type {Similar[]} */
  const found =
    name.length < SHORTEST
      ? []
      : await send("GET", `/api/similar-issues?${new URLSearchParams({ name })}`).then(
          ({ data }) => data.items,
          () => [],
        );
  await released();
  if (input.value.trim() !== name) return;
  output.hidden = found.length === 0;
  output.replaceChildren(...(found.length ? [heading(found.length), list(found)] : []));
}

/** @param {number} count */
function heading(count) {
  const text = document.createElement("p");
  text.textContent = count === 1 ? "One issue has a similar name:" : `${count} issues have similar names:`;
  return text;
}

/** @param {Similar[]} found */
function list(found) {
  const items = document.createElement("ul");
  items.append(
    ...found.map((issue) => {
      const item = document.createElement("li");
      const link = Object.assign(document.createElement("a"), {
        href: `/issues/${issue.issue_id}`,
        textContent: issue.name,
        dir: "auto",
      });
      const about = document.createElement("span");
      about.className = "quiet";
      about.textContent = ` ${state(issue)}`;
      item.append(link, about);
      if (issue.former_name) {
        const former = document.createElement("bdi");
        former.textContent = issue.former_name;
        about.append(", formerly ", former);
      }
      return item;
    }),
  );
  return items;
}

/** @param {Similar} issue */
function state({ open, total }) {
  if (!total) return "no company";
  return open ? `open for ${open} of ${total}` : `resolved or closed for all ${total}`;
}
