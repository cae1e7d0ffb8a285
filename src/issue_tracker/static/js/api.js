// Requests to the server: the session's CSRF token on each, signing in again when the session has ended.
import { signInAgain } from "./sign-in.js";

const own = new Set();
const PATIENCE = 15;

export const isOwn = (requestId) => own.has(requestId);

const token = () => document.querySelector("meta[name=csrf]");

export function setToken(value) {
  token().content = value;
  for (const input of document.querySelectorAll("input[name=_csrf]")) input.value = value;
}

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// Resolves with {data, requestId}; throws Refused with a sentence for the reader.
export async function send(method, url, body, headers = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const requestId = crypto.randomUUID?.() ?? `page-${Date.now()}-${Math.random().toString(36).slice(2)}`;
    own.add(requestId);
    const { response, data } = await reach(url, method === "GET" ? "" : " It may or may not have been done.", {
      method,
      headers: { Accept: "application/json", "X-Request-ID": requestId, "X-CSRF-Token": token().content, ...typeOf(body), ...headers },
      body: encode(body),
    });
    if (response.status === 401 && await signInAgain()) continue;
    if (response.status === 403 && attempt === 0 && await renewToken()) continue;
    own.add(response.headers.get("X-Request-ID"));
    if (!response.ok) throw new Refused(data?.detail ?? `The server refused (${response.status}).`, response.status);
    return { data, requestId: response.headers.get("X-Request-ID") ?? requestId };
  }
}

// A whole answer, within the time that a reader waits for it. `unknown` is what its lack leaves open.
async function reach(url, unknown, options) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE * 1000), ...options });
    return { response, data: await read(response) };
  } catch (error) {
    const how = error.name === "TimeoutError" ? ` within ${PATIENCE} seconds` : "";
    throw new Refused(`No answer from the server${how}.${unknown}`, 0);
  }
}

// Another tab may have signed in again: the cookie is new, and so is its token.
async function renewToken() {
  const before = token().content;
  return (await ensureSession().catch(() => false)) && token().content !== before;
}

// Whether there is a session, after asking the reader to sign in again where it has ended. Throws Refused where the
// server cannot say.
export async function ensureSession() {
  const { response, data } = await reach("/api/auth/session", "", { headers: { Accept: "application/json" } });
  if (response.status === 401) return signInAgain();
  if (!response.ok) throw new Refused(data?.detail ?? `The server refused (${response.status}).`, response.status);
  setToken(data.csrf_token);
  return true;
}

function encode(body) {
  if (body instanceof URLSearchParams) {
    body.set("_csrf", token().content);
    return body;
  }
  return body === undefined ? undefined : JSON.stringify(body);
}

const typeOf = (body) => (body === undefined || body instanceof URLSearchParams ? {} : { "Content-Type": "application/json" });

function read(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (response.status === 204) return null;
  return type.includes("json") ? response.json() : response.text();
}
