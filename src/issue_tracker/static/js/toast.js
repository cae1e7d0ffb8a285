// Short messages at the bottom, with one thing to do about them. They wait while pointer or focus is on them.
const SECONDS = 9;

export function toast(text, { action, run, wrong = false } = {}) {
  const place = document.getElementById("toasts");
  const box = document.createElement("div");
  box.className = wrong ? "toast wrong" : "toast";
  const words = document.createElement("span");
  words.textContent = text;
  words.dir = "auto";
  box.append(words);
  let left = SECONDS;
  const close = () => { clearInterval(timer); box.remove(); };
  const timer = setInterval(() => {
    if (!box.matches(":hover, :focus-within") && --left <= 0) close();
  }, 1000);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = action;
    button.addEventListener("click", () => { close(); run(); });
    box.append(button);
  }
  place.append(box);
  while (place.children.length > 3) place.firstElementChild.remove();
}
