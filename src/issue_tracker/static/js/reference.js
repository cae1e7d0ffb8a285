// The page of the API: sends what is filled in, in the reader's own session, and shows the answer below.
import { startTheme } from "./theme.js";

startTheme();

// A link to an operation or a type leads to it opened.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", openTarget);
openTarget();

for (const form of document.querySelectorAll("form.send")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}

async function ask(form) {
  const output = form.querySelector("output");
  output.hidden = false;
  output.textContent = "Waiting for the answer…";
  const { url, options } = await request(form);
  try {
    const response = await fetch(url, options);
    show(output, `${response.status} ${response.statusText}`.trim(), await readable(response));
  } catch {
    show(output, "The server cannot be reached.", "");
  }
}

async function request(form) {
  const { method, path } = form.dataset;
  const headers = { Accept: "application/json" };
  const query = new URLSearchParams();
  let url = path;
  for (const { name, value, dataset } of form.querySelectorAll("input[data-place]")) {
    if (dataset.place === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && dataset.place === "query") {
      for (const one of "repeatable" in dataset ? value.split(",") : [value]) query.append(name, one.trim());
    }
    else if (value) headers[name] = value;
  }
  const body = form.elements.body?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = await csrfToken();
  return { url: query.size ? `${url}?${query}` : url, options: { method, headers, body } };
}

// The page is for everybody, so the token is fetched when it is needed; without a session there is none.
async function csrfToken() {
  const response = await fetch("/api/auth/session").catch(() => null);
  return response?.ok ? (await response.json()).csrf_token : "";
}

async function readable(response) {
  const text = await response.text();
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const LONGEST = 100_000;

function show(output, status, text) {
  const heading = document.createElement("strong");
  heading.textContent = status;
  const body = document.createElement("pre");
  body.textContent = text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… cut after ${LONGEST} characters` : text;
  output.replaceChildren(heading, ...(text ? [body] : []));
}
