// Figures of a state message: data-bind="dashboard:stok.low" with data-format; "a/b" is their quotient (an average).
// data-show and data-hide="dashboard:open_day_status" follow a truth; data-split="dashboard:omset_bpjs/omset_umum" is the
// bar of two parts (its rects .bpjs and .umum); data-delta="dashboard:now/before" how much more or less (delta.js).

import { writeDelta } from "./delta.js";
import { format } from "./format.js";
import { markChanged, setText } from "./mark.js";

/** "stok.low" of a message; "total/count" divides, and is nothing where there is nothing to divide by. */
export function valueAt(data, path) {
  const [whole, by] = path.split("/").map((part) => part.split(".").reduce((value, key) => value?.[key], data));
  if (!path.includes("/")) return whole;
  return by ? whole / by : 0;
}

export function updateFigures(topic, data) {
  for (const element of bound("bind", topic)) {
    const value = valueAt(data, path(element.dataset.bind));
    if (value === undefined) continue; // a field of another role's message: what the server wrote stays
    if (setText(element, format(value, element.dataset.format))) markChanged(element, "pulse");
  }
  for (const element of bound("show", topic)) element.hidden = !valueAt(data, path(element.dataset.show));
  for (const element of bound("hide", topic)) element.hidden = Boolean(valueAt(data, path(element.dataset.hide)));
  for (const bar of bound("split", topic)) updateSplit(bar, data);
  for (const element of bound("delta", topic)) writeDelta(element, ...path(element.dataset.delta).split("/").map((part) => valueAt(data, part)));
}

const bound = (kind, topic) => document.querySelectorAll(`[data-${kind}^="${topic}:"]`);
const path = (binding) => binding.slice(binding.indexOf(":") + 1);

function updateSplit(bar, data) {
  const [bpjs, umum] = path(bar.dataset.split).split("/").map((part) => valueAt(data, part) ?? 0);
  drawParts(bar, bpjs, umum, bpjs + umum);
  const share = bpjs + umum > 0 ? Math.round((100 * bpjs) / (bpjs + umum)) : 0;
  bar.setAttribute("aria-label", `BPJS ${share} persen, umum ${bpjs + umum > 0 ? 100 - share : 0} persen`);
}

/** The two parts of a bar that would be full with `whole`, with a hair between them where there are two. */
export function drawParts(bar, bpjs, umum, whole) {
  const [first, rest] = [bpjs, umum].map((part) => (whole > 0 ? (100 * part) / whole : 0));
  const gap = first > 0 && rest > 0 ? 0.4 : 0;
  bar.querySelector(".bpjs")?.setAttribute("width", `${first.toFixed(1)}%`);
  bar.querySelector(".umum")?.setAttribute("x", `${(first + gap).toFixed(1)}%`);
  bar.querySelector(".umum")?.setAttribute("width", `${Math.max(0, rest - gap).toFixed(1)}%`);
}
