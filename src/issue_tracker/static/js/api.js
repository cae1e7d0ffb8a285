// Requests to the server. Every request carries the session's CSRF token. If the session has ended, the user is asked
// to sign in again and the request is repeated.
import { all, find } from "./elements.js";

const TIMEOUT_SECONDS = 15;

/**
 * The ids of this page's requests, by which it recognizes its own changes in the event stream.
 * @type {Set<string>}
 */
const ownRequests = new Set();

/**
 * Returns whether one of this page's requests caused an event. A proxy may give the requests of all users the same id.
 * @param {import("./event-relevance.js").TrackerEvent} event
 */
export const isOwn = ({ request_id: id, actor }) =>
  id !== null &&
  ownRequests.has(id) &&
  String(actor.id) === find("meta[name=actor]", document, HTMLMetaElement).content;

/** Lets the user sign in again. Resolves with whether the user has done so. */
export const signIn = async () => (await import("./sign-in.js")).signInAgain();

const token = () => find("meta[name=csrf]", document, HTMLMetaElement);

/**
 * Uses a session from now on. The event lets the stream connect again if it had lost its session.
 * @param {{ user: { user_id: number }, csrf_token: string }} session
 */
export async function takeSession({ user, csrf_token: value }) {
  if (String(user.user_id) !== find("meta[name=actor]", document, HTMLMetaElement).content) {
    // Another user has signed in, perhaps in another tab. Changes that the first user began must not be made as this
    // user, so nothing continues until the page is loaded again.
    location.reload();
    await new Promise(() => {});
  }
  token().content = value;
  for (const input of all("input[name=_csrf]", document, HTMLInputElement)) input.value = value;
  document.dispatchEvent(new Event("signed-in"));
}

/** A request that the server refused, or did not respond to (status 0). The message is a sentence for the user. */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Sends a request. Throws RequestError.
 * @param {string} method
 * @param {string} url
 * @param {URLSearchParams | object} [body] a form, or an object to send as JSON
 * @param {Record<string, string>} [headers]
 * @param {{ prompt: boolean }} [session] whether to let the user sign in if the session has ended
 * @returns {Promise<{ data: any }>} the decoded response
 */
export async function send(method, url, body, headers = {}, { prompt } = { prompt: true }) {
  for (let attempt = 0; ; attempt += 1) {
    const requestId = newRequestId();
    ownRequests.add(requestId);
    const unknown = method === "GET" ? "" : " The change may or may not have been made.";
    const { response, data } = await fetchWhole(url, unknown, {
      method,
      headers: {
        Accept: "application/json",
        "X-Request-ID": requestId,
        "X-CSRF-Token": token().content,
        ...contentType(body),
        ...headers,
      },
      body: encode(body),
    });
    if (response.status === 401 && prompt && (await signIn())) continue;
    if (response.status === 403 && attempt === 0 && (await renewToken())) continue;
    // A proxy may have replaced the id.
    ownRequests.add(response.headers.get("X-Request-ID") ?? requestId);
    if (!response.ok) throw refusal(response, data);
    return { data };
  }
}

// Browsers offer randomUUID only to pages that were loaded over HTTPS or from this machine.
const newRequestId = () => crypto.randomUUID?.() ?? `page-${Date.now()}-${Math.random().toString(36).slice(2)}`;

/**
 * Fetches a response with its whole body, within the time limit.
 * @param {string} url
 * @param {string} unknown a sentence about what stays unknown if no response comes
 * @param {RequestInit} options
 */
async function fetchWhole(url, unknown, options) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000), ...options });
    return { response, data: await decode(response) };
  } catch (error) {
    const limit =
      error instanceof DOMException && error.name === "TimeoutError" ? ` within ${TIMEOUT_SECONDS} seconds` : "";
    dispatchEvent(new Event("no-response"));
    throw new RequestError(`The server did not respond${limit}.${unknown}`, 0);
  }
}

/**
 * @param {Response} response
 * @param {any} data
 */
const refusal = (response, data) =>
  new RequestError(data?.detail ?? `The server refused the request (${response.status}).`, response.status);

/** Fetches the session's current token: another tab may have signed in again. Resolves with whether it has changed. */
async function renewToken() {
  const before = token().content;
  return (await ensureSession().catch(() => false)) && token().content !== before;
}

/**
 * Makes sure that there is a session; lets the user sign in again if necessary. Resolves with whether there is one.
 * Throws RequestError if the server does not respond.
 */
export async function ensureSession() {
  const { response, data } = await fetchWhole("/api/auth/session", "", { headers: { Accept: "application/json" } });
  if (response.status === 401) return signIn();
  if (!response.ok) throw refusal(response, data);
  await takeSession(data);
  return true;
}

/** @param {URLSearchParams | object} [body] */
function encode(body) {
  if (body instanceof URLSearchParams) {
    body.set("_csrf", token().content);
    return body;
  }
  return body === undefined ? undefined : JSON.stringify(body);
}

/**
 * @param {URLSearchParams | object} [body]
 * @returns {Record<string, string>}
 */
function contentType(body) {
  // The browser sets the Content-Type of a form.
  return body === undefined || body instanceof URLSearchParams ? {} : { "Content-Type": "application/json" };
}

/** @param {Response} response */
function decode(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (response.status === 204) return null;
  return type.includes("json") ? response.json() : response.text();
}
