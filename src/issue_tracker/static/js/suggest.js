// Company names while typing, from the same list as the API; and a field that appends what was chosen to a text.
import { send } from "./api.js";

let timer = null;

export function startSuggestions() {
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (!input.matches?.("[data-suggest]")) return;
    if (chosen(input)) return;
    clearTimeout(timer);
    timer = setTimeout(() => offer(input), 150);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches?.("[data-append]")) return;
    event.preventDefault();
    chosen(event.target);
  });
}

async function offer(input) {
  if (!input.value.trim()) return;
  const { data } = await send("GET", `/api/companies?${new URLSearchParams({ search: input.value.trim() })}`).catch(() => ({ data: { items: [] } }));
  const options = data.items.slice(0, 20).map((company) => Object.assign(document.createElement("option"), { value: company.name }));
  document.getElementById(input.dataset.suggest).replaceChildren(...options);
}

// A name picked from the list goes to the text field that the input feeds, one on each line.
function chosen(input) {
  const target = input.dataset.append && document.getElementById(input.dataset.append);
  if (!target || ![...input.list.options].some((option) => option.value === input.value)) return false;
  const lines = target.value.split("\n").filter((line) => line.trim());
  if (!lines.includes(input.value)) lines.push(input.value);
  target.value = lines.join("\n");
  target.dispatchEvent(new Event("input", { bubbles: true }));
  input.value = "";
  return true;
}
