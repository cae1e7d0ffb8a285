// When the session has ended: a dialog to sign in again, so that nothing on the page is lost.
import { setToken } from "./api.js";

let asking = null;

// Resolves with true when signed in again, false when the reader chose not to.
export function signInAgain() {
  asking ??= ask().finally(() => { asking = null; });
  return asking;
}

function ask() {
  const dialog = document.getElementById("sign-in");
  const form = dialog.querySelector("form");
  const wrong = document.getElementById("again-wrong");
  wrong.textContent = "";
  dialog.showModal();
  form.elements.password.focus();
  return new Promise((resolve) => {
    const done = (answer) => {
      form.removeEventListener("submit", submit);
      form.elements.password.value = "";
      if (dialog.open) dialog.close();
      resolve(answer);
    };
    const submit = async (event) => {
      event.preventDefault();
      wrong.textContent = await signIn(form);
      if (!wrong.textContent) {
        document.dispatchEvent(new Event("signed-in"));
        done(true);
      }
    };
    form.addEventListener("submit", submit);
    dialog.querySelector("[value=later]").onclick = () => done(false);
    dialog.addEventListener("close", () => done(false), { once: true });
  });
}

async function signIn(form) {
  const body = JSON.stringify({ email: form.elements.email.value, password: form.elements.password.value });
  try {
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const response = await fetch("/api/auth/login", { method: "POST", headers, body, signal: AbortSignal.timeout(15000) });
    const data = await response.json();
    if (!response.ok) return data.detail;
    if (String(data.user.user_id) !== document.querySelector("meta[name=actor]").content) {
      // Somebody else: what the first reader had begun is not theirs to do. Nothing goes on until the page is drawn anew.
      location.reload();
      return new Promise(() => {});
    }
    setToken(data.csrf_token);
    return "";
  } catch {
    return "The server cannot be reached.";
  }
}
