// More or less than before: data-delta="dashboard:total/before" on a figure, data-field-delta="total/before" in a list's row.
// Inside it an icon, [data-delta-text] and the hidden word [data-delta-word]. The same words as the server's.

import { grouped } from "./format.js";
import { setIcon, setText } from "./mark.js";

const WORDS = { up: " naik", down: " turun", flat: " sama", "": " belum ada pembanding" };

export function writeDelta(element, now, before) {
  const { way, text } = compare(now, before);
  element.dataset.way = way;
  setIcon(element.querySelector("use"), `trend-${way || "flat"}`);
  setText(element.querySelector("[data-delta-text]"), text);
  setText(element.querySelector("[data-delta-word]"), WORDS[way]);
}

function compare(now, before) {
  if (!(before > 0)) return { way: "", text: "–" };
  const percent = Math.round((100 * Math.abs(now - before)) / before);
  const way = percent === 0 ? "flat" : now > before ? "up" : "down";
  return { way, text: percent > 999 ? "> 999%" : `${grouped(percent)}%` };
}
