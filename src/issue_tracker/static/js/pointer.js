// Waits until no button of a pointing device is pressed: results that appear meanwhile would move what the user is
// about to click, and the browser then clicks nothing.

let pressed = false;

/** @type {(() => void)[]} */
let waiting = [];

addEventListener("pointerdown", () => (pressed = true), true);
for (const type of ["pointerup", "pointercancel"]) {
  // In a later task: the click follows in this one.
  addEventListener(type, () => setTimeout(release), true);
}

function release() {
  pressed = false;
  const resolved = waiting;
  waiting = [];
  for (const resolve of resolved) resolve();
}

/**
 * Resolves when no button is pressed.
 * @returns {Promise<void>}
 */
export const released = () => (pressed ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve());
