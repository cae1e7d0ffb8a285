// Short messages at the bottom of the page, above the bulk bar, each with at most one action. Newer ones are above the
// older, and all stay while the pointer or the focus is on one, so that none moves while a user aims at it.
import { byId } from "./elements.js";

const SECONDS = 9;
const AT_MOST = 3;

/**
 * @param {string} text
 * @param {{ action?: string, run?: () => void, wrong?: boolean }} [options] the label of the button, what it does, and
 *   whether the message reports a failure
 * @returns {() => void} removes the message
 */
export function toast(text, { action, run, wrong = false } = {}) {
  const toasts = byId("toasts");
  const inUse = () => toasts.matches(":hover, :focus-within");
  const box = document.createElement("div");
  box.className = wrong ? "toast wrong" : "toast";
  const message = document.createElement("span");
  message.textContent = text;
  message.dir = "auto";
  box.append(message);
  let secondsLeft = SECONDS;
  const timer = setInterval(() => {
    if (!inUse() && --secondsLeft <= 0) close();
  }, 1000);
  const close = () => {
    clearInterval(timer);
    box.remove();
  };
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = action;
    button.addEventListener("click", () => {
      close();
      run?.();
    });
    box.append(button);
  }
  toasts.prepend(box);
  while (toasts.children.length > AT_MOST && !inUse()) toasts.lastElementChild?.remove();
  return close;
}
