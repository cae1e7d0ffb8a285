// Requests to the server: the session's CSRF token on each, signing in again when the session has ended.
import { signInAgain } from "./sign-in.js";

const own = new Set();

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
    let response;
    try {
      response = await fetch(url, {
        method,
        headers: { Accept: "application/json", "X-Request-ID": requestId, "X-CSRF-Token": token().content, ...typeOf(body), ...headers },
        body: encode(body),
      });
    } catch {
      throw new Refused("No answer from the server. It may or may not have been done.", 0);
    }
    if (response.status === 401 && await signInAgain()) continue;
    if (response.status === 403 && attempt === 0 && await renewToken()) continue;
    own.add(response.headers.get("X-Request-ID"));
    const data = await read(response);
    if (!response.ok) throw new Refused(data?.detail ?? `The server refused (${response.status}).`, response.status);
    return { data, requestId: response.headers.get("X-Request-ID") ?? requestId };
  }
}

// Another tab may have signed in again: the cookie is new, and so is its token.
async function renewToken() {
  const before = token().content;
  return (await ensureSession()) && token().content !== before;
}

// Whether there is a session, after asking the reader to sign in again where it has ended.
export async function ensureSession() {
  const response = await fetch("/api/auth/session", { headers: { Accept: "application/json" } }).catch(() => null);
  if (response?.status === 401) return signInAgain();
  if (response?.ok) setToken((await response.json()).csrf_token);
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
