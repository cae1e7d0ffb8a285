// The confirmation before many are changed: names who is changed and who is skipped and why, in a dialog.
import { Refused, send } from "./api.js";
import { label } from "./places.js";
import { apply, focusOn, remember, undo } from "./quick-change.js";
import { clearSelection } from "./selection.js";
import { when } from "./times.js";
import { toast } from "./toast.js";

let changed = [];

export function startReview() {
  const dialog = document.getElementById("review");
  document.addEventListener("submit", (event) => {
    if (event.target.id === "selection") {
      event.preventDefault();
      open("POST", "/assignments/review", new URLSearchParams(new FormData(event.target, event.submitter)), event.submitter);
    } else if (event.target.id === "review-form" && dialog.open) {
      event.preventDefault();
      confirm(dialog, event.target);
    }
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-review]");
    if (link && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      open("GET", link.href, undefined, link);
    } else if (event.target.closest("#review [data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("change", () => countTicked(dialog));
}

async function open(method, url, body, trigger) {
  const dialog = document.getElementById("review");
  try {
    const { data } = await send(method, url, body, { Accept: "text/html", "X-Fragment": "1" });
    document.getElementById("review-body").innerHTML = data;
    dialog.showModal();
    dialog.querySelector(".button.main, [data-close]").focus();
    changed = [];
    // Back to what opened it; where that went with the selection, to the first place that was changed.
    dialog.addEventListener("close", () => (trigger.checkVisibility() ? trigger.focus() : focusOn(changed)), { once: true });
  } catch (error) {
    report(error);
  }
}

function countTicked(dialog) {
  const n = dialog.querySelectorAll("input[name=on]:checked").length;
  dialog.querySelector("[data-count]").textContent = n;
  dialog.querySelector(".button.main").disabled = n === 0;
}

async function confirm(dialog, form) {
  const button = form.querySelector(".button.main");
  button.disabled = true;
  try {
    const { data, requestId } = await send("POST", form.action, new URLSearchParams(new FormData(form)));
    if (data.moved.length) return void (await again(dialog, form, data.moved));
    dialog.close();
    changed = data.changed;
    apply(changed);
    clearSelection();
    remember(requestId);
    toast(data.text, data.changed.length ? { action: "Undo", run: () => undo(requestId) } : {});
  } catch (error) {
    button.disabled = false;
    report(error);
  }
}

// Somebody else was faster with some, and nothing was changed: shown anew as it stands, those unticked, with who and when.
async function again(dialog, form, moved) {
  const every = new URLSearchParams(new FormData(form));
  const title = document.getElementById("review-title").textContent;
  const { data } = await send("POST", "/assignments/review", every, { Accept: "text/html", "X-Fragment": "1" });
  document.getElementById("review-body").innerHTML = data;
  document.getElementById("review-title").textContent = title;
  apply(moved);
  for (const { on } of moved) for (const box of dialog.querySelectorAll(`input[name=on][value^="${on}-"]`)) box.checked = false;
  const told = moved.map(({ company_name: company, status, by, at }) =>
    `${by} ${status ? `set ${company} to ${label(status)}` : `took ${company} off`}${at ? `, ${when(new Date(at))}` : ""}.`);
  dialog.querySelector(".wrong").textContent = `Nothing was changed. ${told.join(" ")}`;
  if (dialog.querySelector("[data-count]")) countTicked(dialog);
  (dialog.querySelector(".button.main:enabled") ?? dialog.querySelector("[data-close]")).focus();
}

// Beside the button that was pressed; in a toast where there is no dialog, which would hide it.
function report(error) {
  if (!(error instanceof Refused)) throw error;
  const beside = document.querySelector("#review[open] .wrong");
  if (beside) return void (beside.textContent = error.message);
  toast(error.message, { wrong: true });
}
