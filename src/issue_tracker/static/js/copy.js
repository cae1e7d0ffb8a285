// Buttons that copy the secret next to them, or the text of the element whose id they name. They are shown only where
// browsers allow copying: with HTTPS, and on localhost.
import { all, targetOf } from "./elements.js";

/** Milliseconds for which a button says that it has copied the text. */
const SHOWN = 2_000;

export function startCopying() {
  if (!navigator.clipboard) return;
  for (const button of all("[data-copy]", document, HTMLButtonElement)) button.hidden = false;
  document.addEventListener("click", (event) => {
    const button = targetOf(event).closest("[data-copy]");
    if (button instanceof HTMLButtonElement) void copy(button);
  });
}

/** @param {HTMLButtonElement} button */
async function copy(button) {
  const text = button.dataset.copy ? document.getElementById(button.dataset.copy) : null;
  const secret = text ?? button.parentElement?.querySelector(".secret");
  if (!(secret instanceof HTMLElement)) return;
  try {
    await navigator.clipboard.writeText(text ? (text.textContent ?? "").trim() : secret.innerText);
    const label = button.dataset.label ?? button.textContent ?? "";
    button.dataset.label = label;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), SHOWN);
  } catch {
    secret.closest("details")?.setAttribute("open", "");
    // The browser refused. The text is selected instead, for the keyboard.
    getSelection()?.selectAllChildren(secret);
  }
}
