// Ticks the companies of a group in the table of an issue (`data-tick-group`); single ones can then be unticked again.
import { RequestError, send } from "./api.js";
import { all, targetOf } from "./elements.js";
import { showCount } from "./selection.js";
import { toast } from "./toast.js";

export function startTickingGroups() {
  document.addEventListener("change", (event) => {
    const choice = targetOf(event);
    if (choice instanceof HTMLSelectElement && choice.matches("[data-tick-group]") && choice.value) void tick(choice);
  });
}

/** @param {HTMLSelectElement} choice */
async function tick(choice) {
  const name = choice.value;
  choice.value = "";
  try {
    /** @type {{ name: string, company_names: string[] }[]} */
    const groups = (await send("GET", "/api/company-groups")).data.items;
    const members = new Set(groups.find((group) => group.name === name)?.company_names);
    const boxes = all("#selection tr[data-on] input[name=on]", document, HTMLInputElement).filter((box) =>
      members.has(box.getAttribute("aria-label") ?? ""),
    );
    for (const box of boxes) box.checked = box.checkVisibility() || box.checked;
    showCount();
    if (!boxes.some((box) => box.checked)) toast(`No company of ${name} is shown here.`);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    toast(error.message);
  }
}
