// Marks what has just changed: tinted at once, held two seconds, faded by the style sheet. Colour only; nothing moves.

const HELD_MS = 2_000;
const timers = new WeakMap();

export function markChanged(element, attribute) {
  element.dataset[attribute] = "on";
  clearTimeout(timers.get(element));
  timers.set(element, setTimeout(() => delete element.dataset[attribute], HELD_MS));
}

export function markNew(element) {
  element.classList.add("is-new");
  setTimeout(() => element.classList.remove("is-new"), HELD_MS);
}

export function setText(element, text) {
  if (element.textContent === text) return false;
  element.textContent = text;
  return true;
}

export function setIcon(use, name) {
  const href = `/assets/icons.svg#${name}`;
  if (use && use.getAttribute("href") !== href) use.setAttribute("href", href);
}
