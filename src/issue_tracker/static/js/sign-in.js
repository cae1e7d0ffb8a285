// The dialog for signing in again when the session has ended, so that nothing on the page is lost.
import { takeSession } from "./api.js";
import { byId, find } from "./elements.js";

/**
 * The open dialog, shared by all requests that fail because the session has ended.
 * @type {Promise<boolean> | null}
 */
let open = null;

/** Resolves with true when the user has signed in again, and with false if the user cancelled. */
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
  waitFor("");
  dialog.showModal();
  password.focus();
  return new Promise((resolve) => {
    /** @param {boolean} signedIn */
    const done = (signedIn) => {
      form.removeEventListener("submit", submit);
      removeEventListener("focus", check);
      password.value = "";
      waitFor("");
      if (dialog.open) dialog.close();
      resolve(signedIn);
    };
    /** @param {SubmitEvent} event */
    const submit = async (event) => {
      event.preventDefault();
      wrong.textContent = await signIn(form);
      if (!wrong.textContent) done(true);
    };
    // The user may have signed in with an identity provider in another tab.
    const check = async () => {
      if (await hasSession()) done(true);
    };
    addEventListener("focus", check);
    form.addEventListener("submit", submit);
    find("[value=later]", dialog).onclick = () => done(false);
    dialog.addEventListener("close", () => done(false), { once: true });
  });
}

/**
 * Shows the field for the second step of the sign-in that this challenge belongs to; without one, the first step.
 * @param {string} challenge
 */
function waitFor(challenge) {
  const second = byId("again-second");
  const code = byId("again-code", HTMLInputElement);
  second.dataset.challenge = challenge;
  second.hidden = !challenge;
  code.required = Boolean(challenge);
  code.value = "";
  if (challenge) code.focus();
}

/**
 * Sends the first or the second step of a sign-in. Resolves with "" or with a sentence that says what is missing.
 * @param {HTMLFormElement} form
 * @returns {Promise<string>}
 */
async function signIn(form) {
  const { email, password, code } = Object.fromEntries(new FormData(form));
  const { challenge } = byId("again-second").dataset;
  const method = /^[\d\s]+$/.test(String(code)) ? "totp" : "recovery";
  try {
    const { ok, data } = challenge
      ? await post("/api/auth/login/second-factor", { challenge, method, code })
      : await post("/api/auth/login", { email, password });
    if (data.reason === "sign_in_expired") waitFor("");
    if (data.reason === "second_factor_required") {
      if (data.methods.every((/** @type {string} */ one) => one === "passkey")) {
        return "This account signs in with a passkey. Open the sign-in page in another tab.";
      }
      waitFor(data.challenge);
      return "Now enter a code.";
    }
    if (!ok) return data.detail;
    await takeSession(data);
    return "";
  } catch {
    return "The server cannot be reached.";
  }
}

/**
 * @param {string} url
 * @param {object} body
 * @returns {Promise<{ ok: boolean, data: any }>}
 */
async function post(url, body) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15000),
  });
  return { ok: response.ok, data: await response.json() };
}

/** Resolves with whether there is a session again, which is then used. */
async function hasSession() {
  try {
    const response = await fetch("/api/auth/session", { headers: { Accept: "application/json" } });
    if (!response.ok) return false;
    await takeSession(await response.json());
    return true;
  } catch {
    return false;
  }
}
