// The page of the API: sends the request that the user has filled in, with the user's session, and shows the response
// below.
import { all, find } from "./elements.js";
import { startTheme } from "./theme.js";

const LONGEST = 100_000;

startTheme();

/** Opens the operation or the type that the fragment of the URL names. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", openTarget);
openTarget();

for (const form of all("form.send", document, HTMLFormElement)) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

/** @param {HTMLFormElement} form */
async function send(form) {
  const output = find("output", form, HTMLOutputElement);
  output.hidden = false;
  output.textContent = "Waiting for the response…";
  const { url, options } = await requestOf(form);
  try {
    const response = await fetch(url, options);
    show(output, `${response.status} ${response.statusText}`.trim(), await readable(response));
  } catch {
    show(output, "The server cannot be reached.", "");
  }
}

/** @param {HTMLFormElement} form */
async function requestOf(form) {
  const { method = "GET", path = "" } = form.dataset;
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  const query = new URLSearchParams();
  let url = path;
  for (const { name, value, dataset } of all("input[data-place]", form, HTMLInputElement)) {
    if (dataset.place === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && dataset.place === "query") {
      for (const each of "repeatable" in dataset ? value.split(",") : [value]) query.append(name, each.trim());
    } else if (value) headers[name] = value;
  }
  /** @type {HTMLTextAreaElement | null} */
  const text = form.querySelector("textarea[name=body]");
  if (text) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = await csrfToken();
  return { url: query.size ? `${url}?${query}` : url, options: { method, headers, body: text?.value } };
}

/**
 * Resolves with the CSRF token of the user's session. It is fetched on demand, because this page is public; without a
 * session it is empty.
 * @returns {Promise<string>}
 */
async function csrfToken() {
  const response = await fetch("/api/auth/session").catch(() => null);
  return response?.ok ? (await response.json()).csrf_token : "";
}

/** @param {Response} response */
async function readable(response) {
  const text = await response.text();
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * @param {HTMLOutputElement} output
 * @param {string} status
 * @param {string} text
 */
function show(output, status, text) {
  const heading = document.createElement("strong");
  heading.textContent = status;
  const body = document.createElement("pre");
  body.textContent = text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… cut off after ${LONGEST} characters` : text;
  output.replaceChildren(heading, ...(text ? [body] : []));
}
