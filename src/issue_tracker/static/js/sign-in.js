// The dialog for signing in again when the session has ended, so that nothing on the page is lost.
import { setToken } from "./api.js";
import { byId, find } from "./elements.js";

/**
 * The dialog that is open. All requests that find the session ended share it.
 * @type {Promise<boolean> | null}
 */
let open = null;

/** Resolves with true once the reader has signed in again, and with false if the reader chose not to. */
export function signInAgain() {
  open ??= showDialog().finally(() => {
    open = null;
  });
  return open;
}

/** @returns {Promise<boolean>} */
function showDialog() {
  const dialog = byId("sign-in", HTMLDialogElement);
  const form = find("form", dialog, HTMLFormElement);
  const password = find("[name=password]", form, HTMLInputElement);
  const wrong = byId("again-wrong");
  wrong.textContent = "";
  dialog.showModal();
  password.focus();
  return new Promise((resolve) => {
    /** @param {boolean} signedIn */
    const done = (signedIn) => {
      form.removeEventListener("submit", submit);
      password.value = "";
      if (dialog.open) dialog.close();
      resolve(signedIn);
    };
    /** @param {SubmitEvent} event */
    const submit = async (event) => {
      event.preventDefault();
      wrong.textContent = await signIn(form);
      if (!wrong.textContent) {
        document.dispatchEvent(new Event("signed-in"));
        done(true);
      }
    };
    form.addEventListener("submit", submit);
    find("[value=later]", dialog).onclick = () => done(false);
    dialog.addEventListener("close", () => done(false), { once: true });
  });
}

/**
 * Signs in. Returns an empty text, or a sentence that says why it failed.
 * @param {HTMLFormElement} form
 * @returns {Promise<string>}
 */
async function signIn(form) {
  const { email, password } = Object.fromEntries(new FormData(form));
  try {
    const response = await fetch("/api/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ email, password }),
      signal: AbortSignal.timeout(15000),
    });
    const data = await response.json();
    if (!response.ok) return data.detail;
    if (String(data.user.user_id) !== find("meta[name=actor]", document, HTMLMetaElement).content) {
      // A different user signed in. The changes that the first one began must not be made in this user's name, so
      // nothing continues until the page is loaded again.
      location.reload();
      return new Promise(() => {});
    }
    setToken(data.csrf_token);
    return "";
  } catch {
    return "The server cannot be reached.";
  }
}
