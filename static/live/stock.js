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

let totalsAt = 0;

export function updateStock(message) {
  for (const update of message.updates) {
    const key = `${update.product_type}:${update.product_id}`;
    for (const place of document.querySelectorAll(`[data-product="${key}"]`)) updatePlace(place, update);
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
