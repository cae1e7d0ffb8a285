// The switch between light and dark theme. A cookie stores the choice, so that the server renders the page in it.
import { byId } from "./elements.js";

export function startTheme() {
  const button = byId("theme");
  const root = document.documentElement;
  const preferred = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const dark = () => (root.dataset.theme || preferred()) === "dark";
  const showAction = () => button.setAttribute("aria-label", dark() ? "Switch to light" : "Switch to dark");
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    storeChoice("theme", root.dataset.theme);
    showAction();
  });
  showAction();
}

/**
 * Stores a choice in a cookie, which remains after signing out, unlike all other data of this site.
 * @param {string} name
 * @param {string} value
 */
export function storeChoice(name, value) {
  // With https, the server names its cookies with this prefix (http/cookies.py).
  const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; secure"] : ["", ""];
  document.cookie = `${prefix}${name}=${value}; path=/; max-age=31536000; samesite=lax${secure}`;
}
