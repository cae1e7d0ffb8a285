// The handover: copies its texts to the clipboard, with local times, and prints the page.
import { all } from "./elements.js";
import { clockTime } from "./times.js";

export function startHandover() {
  for (const button of all("[data-print]", document, HTMLButtonElement)) {
    button.addEventListener("click", () => print());
  }
  // Browsers allow copying only with HTTPS and on localhost. Otherwise, the links lead to the texts.
  if (!navigator.clipboard) return;
  for (const link of all("[data-copies]", document, HTMLAnchorElement)) {
    link.textContent = `Copy as ${link.dataset.copies}`;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      void copy(link);
    });
  }
}

/** @param {HTMLAnchorElement} link */
async function copy(link) {
  try {
    const response = await fetch(link.href);
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    await navigator.clipboard.writeText(inLocalTime(await response.text()));
    link.textContent = "Copied";
    setTimeout(() => (link.textContent = `Copy as ${link.dataset.copies}`), 2_000);
  } catch {
    // The browser denied access. The user can copy the text manually.
    location.assign(link.href);
  }
}

/** @param {string} text with times in UTC */
const inLocalTime = (text) =>
  text.replace(/\b(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/g, (_, day, time) => clockTime(new Date(`${day}T${time}Z`)));
