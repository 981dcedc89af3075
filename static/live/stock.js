// Stock wherever it is shown: data-product="Frame:12" around a .stock chip with its icon, a [data-stock] number and a word, and
// perhaps a [data-price]; and the navbar's badge with the branch's totals.

import { rupiah } from "./format.js";
import { markChanged, setIcon, setText } from "./mark.js";
import { microseconds } from "../realtime/freshness.js";

const WORDS = { low: "rendah", medium: "menipis", normal: "aman", out: "" };

/** Made to order is "normal" with nothing on the shelf; only a product that alerts can be sold out. */
function shownLevel(stock, alertLevel) {
  return stock <= 0 && alertLevel !== "normal" ? "out" : alertLevel;
}

/** Writes a stock chip. Its word is [data-stock-word] or the visually hidden one. */
export function writeStock(chip, stock, alertLevel) {
  const level = shownLevel(stock, alertLevel);
  chip.dataset.level = level;
  setIcon(chip.querySelector("use"), `level-${level}`);
  const number = chip.querySelector("[data-stock]");
  const changed = number ? setText(number, level === "out" ? "Habis" : String(stock)) : false;
  const word = chip.querySelector("[data-stock-word], .visually-hidden");
  if (word) setText(word, wordOf(level, word.classList.contains("visually-hidden")));
  return changed;
}

function wordOf(level, isHidden) {
  if (level === "out") return "";
  return isHidden ? ` tersisa, ${WORDS[level]}` : ` ${WORDS[level][0].toUpperCase()}${WORDS[level].slice(1)}`;
}

// Where each product is shown. Found once and again after the page has changed, so that a change costs what its own rows cost,
// not what the page is long: five hundred changes in a list of five thousand are looked up, not searched for.
let places = null;
const structure = new MutationObserver(forgetPlaces);

function forgetPlaces(records) {
  const isOther = ({ type, addedNodes, removedNodes }) =>
    type === "attributes" || [...addedNodes, ...removedNodes].some((node) => node.nodeType === Node.ELEMENT_NODE);
  if (records.some(isOther)) places = null;
}

function placesOf(key) {
  if (!places) {
    places = new Map();
    structure.observe(document.body, { subtree: true, childList: true, attributeFilter: ["data-product"] });
    for (const place of document.querySelectorAll("[data-product]")) {
      const there = places.get(place.dataset.product);
      if (there) there.push(place);
      else places.set(place.dataset.product, [place]);
    }
  }
  return places.get(key) ?? [];
}

let totalsAt = 0;

export function updateStock(message) {
  forgetPlaces(structure.takeRecords()); // what changed just now, and was not told yet
  for (const update of message.updates) {
    for (const place of placesOf(`${update.product_type}:${update.product_id}`)) updatePlace(place, update);
  }
  // A tab that catches up hears old messages after new ones; the newest totals stay.
  const at = microseconds(message.timestamp);
  if (message.totals && !(at < totalsAt)) {
    totalsAt = at || totalsAt;
    updateTotals(message.totals);
  }
}

function updatePlace(place, update) {
  const chip = place.matches(".stock") ? place : place.querySelector(".stock");
  if (update.deleted) {
    place.dataset.gone = "";
    if (chip) writeStock(chip, 0, "low");
    return;
  }
  if (chip && writeStock(chip, update.new_stock, update.alert_level)) markChanged(chip, "flash");
  const price = place.querySelector("[data-price]");
  if (price && setText(price, rupiah(update.price))) markChanged(price, "pulse");
}

function updateTotals({ low, medium }) {
  for (const badge of document.querySelectorAll("[data-low-badge]")) badge.dataset.level = low > 0 ? "low" : "normal";
  for (const element of document.querySelectorAll("[data-low-count]")) setText(element, String(low));
  for (const element of document.querySelectorAll("[data-medium-count]")) setText(element, String(medium));
}
