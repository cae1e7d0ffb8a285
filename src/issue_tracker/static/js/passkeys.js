// Forms that are completed with a passkey: to sign in, for the second step, to add a passkey. They stay hidden without
// script, or if the browser does not support passkeys; there are alternatives.
import { all, find } from "./elements.js";

const TIMEOUT_SECONDS = 15;

export function startPasskeys() {
  if (!("PublicKeyCredential" in window)) return;
  for (const form of all("form[data-passkey]", document, HTMLFormElement)) {
    form.hidden = false;
    form.addEventListener("submit", (event) => void fill(event, form));
  }
}

/**
 * Stops the form, lets the browser create or use a passkey, and then sends the form with the result.
 * @param {SubmitEvent} event
 * @param {HTMLFormElement} form
 */
async function fill(event, form) {
  const credential = find("[data-fill=credential]", form, HTMLInputElement);
  if (credential.value) return;
  event.preventDefault();
  const problem = find("[data-problem]", form, HTMLElement);
  problem.textContent = "";
  try {
    const begun = await begin(form);
    find("[data-fill=challenge]", form, HTMLInputElement).value = begun.challenge;
    credential.value = JSON.stringify(await run(form.dataset.passkey === "make", begun.options));
    form.requestSubmit();
  } catch (error) {
    problem.textContent = sentence(error);
  }
}

/**
 * Fetches the options for the browser. The second step of a sign-in already has its challenge.
 * @param {HTMLFormElement} form
 * @returns {Promise<{ challenge: string, options: any }>}
 */
async function begin(form) {
  const challenge = find("[data-fill=challenge]", form, HTMLInputElement).value;
  const csrf = form.querySelector("[name=_csrf]");
  const response = await fetch(form.dataset.options ?? "", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/json",
      ...(csrf instanceof HTMLInputElement ? { "X-CSRF-Token": csrf.value } : {}),
    },
    body: JSON.stringify(challenge ? { challenge } : {}),
    signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000),
  });
  const data = await response.json();
  if (!response.ok) throw new Error(data.detail);
  return data;
}

/**
 * @param {boolean} make
 * @param {any} options
 */
async function run(make, options) {
  const publicKey = { ...options, challenge: toBytes(options.challenge) };
  if (make) {
    publicKey.user = { ...options.user, id: toBytes(options.user.id) };
    publicKey.excludeCredentials = (options.excludeCredentials ?? []).map(withBytes);
  } else {
    publicKey.allowCredentials = (options.allowCredentials ?? []).map(withBytes);
  }
  const credential = await (make
    ? navigator.credentials.create({ publicKey })
    : navigator.credentials.get({ publicKey }));
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException("none", "NotAllowedError");
  return asJson(credential);
}

/**
 * Returns the same as `PublicKeyCredential.toJSON()`, which not every browser supports.
 * @param {PublicKeyCredential} credential
 */
function asJson(credential) {
  /** @type {any} */
  const made = credential.response;
  /** @type {Record<string, unknown>} */
  const response = { clientDataJSON: toText(made.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made[name]) response[name] = toText(made[name]);
  }
  if (made.getTransports) response.transports = made.getTransports();
  const rawId = toText(credential.rawId);
  return { id: rawId, rawId, type: credential.type, response, clientExtensionResults: {} };
}

/** @param {{ id: string }} descriptor */
const withBytes = (descriptor) => ({ ...descriptor, id: toBytes(descriptor.id) });

/** @param {string} text base64url */
const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

/** @param {ArrayBuffer} bytes */
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** @param {unknown} error */
function sentence(error) {
  if (!(error instanceof Error || error instanceof DOMException)) throw error;
  if (error.name === "InvalidStateError") return "This device or key already has a passkey for your account.";
  if (error.name === "NotAllowedError") return "No passkey was used: the request was cancelled, or took too long.";
  if (error.name === "TimeoutError" || error instanceof TypeError) return "The server cannot be reached.";
  return error.message;
}
