// The menu of statuses with its field for a note. It opens next to the status that was pressed.
import { all, byId, find, targetOf } from "./elements.js";
import { NOT_AFFECTED, placeOf, placesNamed } from "./places.js";
import { STATUSES } from "./statuses.js";

/** @typedef {import("./places.js").Place} Place */

const state = {
  /** The place for which the menu was opened last. @type {Place | null} */
  place: null,
  /** The distance of the menu from the element that opened it. */
  offset: { left: 0, top: 0 },
  /** The button whose menu the current press closes; the same press must not open it again. @type {Element | null} */
  closing: null,
};

/** The key under which the tab stores notes that were typed but not sent; drafts.js removes it with all drafts. */
const NOTES = "draft-notes";

/**
 * Returns the notes that were typed but not sent, by the names of their places. The menu shows them again.
 * @returns {Record<string, string>}
 */
const unsentNotes = () => JSON.parse(sessionStorage.getItem(NOTES) ?? "{}");

/**
 * @param {Place} place
 * @param {string} note an empty note removes the stored one
 */
export function storeNote(place, note) {
  const notes = unsentNotes();
  if ((notes[place.on] ?? "") === note) return;
  if (note) notes[place.on] = note;
  else delete notes[place.on];
  sessionStorage.setItem(NOTES, JSON.stringify(notes));
}

const menuElement = () => byId("status-menu");
const noteField = () => byId("status-menu-note", HTMLInputElement);
const choices = () => all(".choice:not([hidden])", menuElement(), HTMLButtonElement);

/** @returns {HTMLElement | null} */
const pressedChoice = () => menuElement().querySelector("[aria-pressed=true]");

/**
 * @param {(place: Place, status: string, note: string) => void} onChoice is called with the user's choice
 */
export function startMenu(onChoice) {
  const menu = menuElement();
  /** @param {string} status */
  const choose = (status) => {
    const [{ place }, note] = [state, noteField().value];
    menu.hidePopover();
    if (!place) return;
    storeNote(place, "");
    triggerOf(place).focus();
    onChoice(place, status, note);
  };
  document.addEventListener("click", (event) => {
    const button = targetOf(event).closest("button.status");
    const place = button && placeOf(button);
    if (!place) return;
    event.preventDefault();
    if (state.closing !== button) openMenu(place);
    state.closing = null;
  });
  document.addEventListener("pointerdown", (event) => {
    const button = targetOf(event).closest("button.status");
    state.closing = menu.matches(":popover-open") && button === state.place?.trigger ? button : null;
  });
  menu.addEventListener("click", (event) => {
    /** @type {HTMLElement | null} */
    const choice = targetOf(event).closest(".choice");
    if (choice?.dataset.status) choose(choice.dataset.status);
  });
  byId("status-menu-save").addEventListener("click", () => {
    if (state.place?.status && noteField().value.trim()) choose(state.place.status);
    else noteField().focus();
  });
  menu.addEventListener("keydown", (event) => pressKey(event, choose));
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !menu.contains(relatedTarget)) menu.hidePopover();
  });
  document.addEventListener("scroll", follow, { capture: true, passive: true });
  noteField().addEventListener("input", () => state.place && storeNote(state.place, noteField().value));
  menu.addEventListener("toggle", ({ newState }) => {
    state.place?.trigger.setAttribute("aria-expanded", String(newState === "open"));
    if (newState === "closed" && menu.contains(document.activeElement)) returnFocus();
  });
}

/**
 * Returns the element that opens the menu of a place: the results may have been replaced since.
 * @param {Place} place
 */
const triggerOf = (place) =>
  place.trigger.isConnected ? place.trigger : (placesNamed(place.on)[0]?.trigger ?? place.trigger);

function returnFocus() {
  if (state.place) triggerOf(state.place).focus();
}

/** @param {Place} place */
export function openMenu(place) {
  const menu = menuElement();
  state.place = place;
  byId("status-menu-name").textContent = `${place.companyName}: ${place.issueName}`;
  noteField().value = unsentNotes()[place.on] ?? "";
  const hidden = place.status === null;
  for (const id of ["status-menu-remove", "status-menu-details", "status-menu-save"]) byId(id).hidden = hidden;
  byId("status-menu-details", HTMLButtonElement).value = place.on;
  // Filters that were applied since the page was loaded have changed its address.
  find("#change [name=next]", document, HTMLInputElement).value = location.pathname + location.search;
  for (const choice of choices()) {
    if (choice.dataset.status) choice.setAttribute("aria-pressed", String(choice.dataset.status === place.status));
  }
  menu.showPopover();
  const box = place.trigger.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = box.bottom + 4;
  state.offset.left = Math.max(8, Math.min(box.left, innerWidth - width - 8)) - box.left;
  state.offset.top = (below + height < innerHeight ? below : Math.max(8, box.top - height - 4)) - box.top;
  put(menu, box);
  (pressedChoice() ?? choices()[0])?.focus();
}

/**
 * @param {HTMLElement} menu
 * @param {DOMRect} box where the element is that opened the menu
 */
function put(menu, box) {
  menu.style.left = `${box.left + state.offset.left}px`;
  menu.style.top = `${box.top + state.offset.top}px`;
}

/**
 * Keeps the menu beside its status while the page or the matrix scrolls. It is not closed, because on a phone the page
 * scrolls when the keyboard for the note appears.
 * @param {Event} event
 */
function follow(event) {
  const menu = menuElement();
  if (!state.place || !menu.matches(":popover-open") || menu.contains(targetOf(event))) return;
  const trigger = triggerOf(state.place);
  if (trigger.isConnected) put(menu, trigger.getBoundingClientRect());
}

/**
 * @param {KeyboardEvent} event
 * @param {(status: string) => void} choose
 */
function pressKey(event, choose) {
  const typing = event.target === noteField();
  const buttons = choices();
  const current = buttons.findIndex((button) => button === document.activeElement);
  const chosen = typing ? undefined : STATUSES.find((status) => status.key === event.key);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const next = event.key === "ArrowDown" ? current + 1 : (current < 0 ? buttons.length : current) - 1;
    (buttons[next] ?? noteField()).focus();
    event.preventDefault();
  } else if (chosen) {
    choose(chosen.value);
    event.preventDefault();
  } else if (!typing && event.key === "0" && state.place?.status) {
    choose(NOT_AFFECTED);
    event.preventDefault();
  } else if (typing && event.key === "Tab" && !event.shiftKey) {
    // The menu is at the end of the document, but the focus continues after the status that was pressed.
    menuElement().hidePopover();
    returnFocus();
  } else if (typing && event.key === "Enter") {
    event.preventDefault();
    (pressedChoice() ?? buttons[0])?.focus();
  }
  event.stopPropagation();
}
