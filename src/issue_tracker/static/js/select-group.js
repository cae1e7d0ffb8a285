// Selects the companies of a group in the table of an issue (`data-select-group`), except the excluded ones. Without
// script, the form loads the page with these companies selected.
import { RequestError, send } from "./api.js";
import { all, targetOf } from "./elements.js";
import { showCount } from "./selection.js";
import { toast } from "./toast.js";

const FORM = "[data-select-group]";

export function startSelectingGroups() {
  document.addEventListener("change", (event) => {
    const field = targetOf(event);
    if (field instanceof HTMLSelectElement && field.matches(`${FORM} select`) && field.value) void select(field);
    if (field instanceof HTMLInputElement && field.matches(`${FORM} [name=exclude]`)) except(field);
  });
  document.addEventListener("submit", (event) => {
    if (targetOf(event).matches(FORM)) event.preventDefault();
  });
}

const boxes = () => all("#selection tr[data-on] input[name=on]", document, HTMLInputElement);

/**
 * Returns the name of the company of a box, in lower case.
 * @param {HTMLInputElement} box
 */
const companyOf = (box) => (box.getAttribute("aria-label") ?? "").toLowerCase();

/** @param {HTMLSelectElement} choice */
async function select(choice) {
  const name = choice.value;
  choice.value = "";
  try {
    /** @type {{ name: string, company_names: string[] }[]} */
    const groups = (await send("GET", "/api/company-groups")).data.items;
    const members = new Set(groups.find((group) => group.name === name)?.company_names.map((one) => one.toLowerCase()));
    const excepted = all(`${FORM} [name=exclude]:checked`, document, HTMLInputElement);
    for (const { value } of excepted) members.delete(value.toLowerCase());
    const found = boxes().filter((box) => members.has(companyOf(box)));
    // Which ones are visible is found out before one is checked: otherwise, the browser computes the styles of all rows
    // again for each of them.
    for (const box of found.filter((each) => each.checkVisibility())) box.checked = true;
    showCount();
    if (!found.some((box) => box.checked)) toast(`No company of ${name} is shown here.`);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    toast(error.message);
  }
}

/**
 * Deselects a typed company, and shows it as an exception, which also applies to groups that are selected later.
 * Clearing the box of an exception selects its company again.
 * @param {HTMLInputElement} field
 */
function except(field) {
  const name = field.value.trim();
  const found = boxes().filter((box) => companyOf(box) === name.toLowerCase());
  const box = field.type === "checkbox";
  for (const each of found) each.checked = box && !field.checked;
  showCount();
  if (box || !name) return;
  const [company] = found;
  if (!company) return void toast(`${name} is not in this table.`);
  field.value = "";
  showException(field, company.getAttribute("aria-label") ?? name);
}

/**
 * Shows an exception as the server shows those that the address contains.
 * @param {HTMLInputElement} field
 * @param {string} name
 */
function showException(field, name) {
  const exceptions = all(`${FORM} [type=checkbox][name=exclude]`, document, HTMLInputElement);
  const shown = exceptions.find(({ value }) => value.toLowerCase() === name.toLowerCase());
  if (shown) {
    shown.checked = true;
    return;
  }
  const label = document.createElement("label");
  label.className = "check";
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", name: "exclude", value: name, checked: true });
  label.append(box, ` Except ${name}`);
  field.form?.querySelector(".button")?.before(label);
}
