// Look-ups in the document, with types.

/**
 * The element with this id. The template of the page guarantees it, so a missing one is an error.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof (kind ?? HTMLElement))) throw new Error(`The page has no element #${id}.`);
  return /** @type {any} */ (element);
}

/**
 * The first element that matches. The template guarantees it, so a missing one is an error.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function find(selector, root = document, kind) {
  const element = root.querySelector(selector);
  if (!(element instanceof (kind ?? HTMLElement))) throw new Error(`The page has no element ${selector}.`);
  return /** @type {any} */ (element);
}

/**
 * All elements that match, in document order.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @param {new () => T} [_kind] the type of the elements that the selector finds
 * @returns {T[]}
 */
export function all(selector, root = document, _kind) {
  return /** @type {any} */ ([...root.querySelectorAll(selector)]);
}

/**
 * A field of a form that a user can fill in.
 * @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field
 */

/**
 * Returns whether a field contains something other than what the server sent.
 * @param {Field} field
 */
export function isEdited(field) {
  if (field instanceof HTMLSelectElement) {
    const options = [...field.options];
    return field.selectedOptions[0] !== (options.find((option) => option.defaultSelected) ?? options[0]);
  }
  if (field instanceof HTMLInputElement && ["checkbox", "radio"].includes(field.type)) {
    return field.checked !== field.defaultChecked;
  }
  return field.value !== field.defaultValue;
}

/**
 * Returns the target element of an event, or the root element if the target is not an element.
 * @param {Event} event
 */
export function targetOf(event) {
  return event.target instanceof Element ? event.target : document.documentElement;
}
