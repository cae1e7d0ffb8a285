// Keeps folds open or closed when a newer version of a part of the page replaces it. Entries that were added meanwhile
// move the others, so folds are recognized by what they belong to and not by their places.
import { all } from "./elements.js";

/** @param {Element} root */
const foldsIn = (root) => all("details", root, HTMLDetailsElement);

/**
 * Returns what a fold belongs to: an entry of a history, by its time and sentence, or a part of the page, by its id.
 * @param {HTMLDetailsElement} fold
 */
function ownerOf(fold) {
  const entry = fold.closest(".history > li");
  if (!entry) return fold.id || fold.parentElement?.closest("[id]")?.id || "";
  return `${entry.querySelector(":scope > time")?.getAttribute("datetime")} ${entry.querySelector("div")?.textContent}`;
}

/**
 * Records which folds of a part are open. Returns a function that opens and closes those of a newer version alike.
 * @param {Element} before
 * @returns {(fresh: Element) => void}
 */
export function recordFolds(before) {
  const open = new Map(foldsIn(before).map((fold) => [ownerOf(fold), fold.open]));
  return (fresh) => {
    for (const fold of foldsIn(fresh)) fold.open = open.get(ownerOf(fold)) ?? fold.open;
  };
}
