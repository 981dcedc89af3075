// Lists of a state message: <ul data-list="dashboard:transaksi_terbaru" data-key="id"> with a <template> child. Rows, those the
// server rendered too, bear data-row="<key>", so that a row that stays is the same element: nothing loses focus or
// scroll. In a row: data-field (+ data-format), data-attr="href:/penjualan/{id}", data-field-work, data-field-level,
// data-field-delta="now/before", data-field-spark="total_omset" (spark.js), data-field-bar="omset_bpjs/omset_umum" (as long as
// their sum is beside the highest of the list). data-sort="total_omset" on the list: the highest first.
// data-empty="dashboard:transaksi_terbaru" elsewhere shows while the list is empty.

import { writeDelta } from "./delta.js";
import { format } from "./format.js";
import { markChanged, markNew, setIcon, setText } from "./mark.js";
import { drawParts, valueAt } from "./figures.js";
import { drawSpark } from "./spark.js";

const WORK = {
  "Menunggu Pengerjaan": "waiting",
  "Sedang Dikerjakan": "doing",
  "Siap Diambil": "ready",
  "Sudah Diambil": "taken",
};

export function updateLists(topic, data) {
  for (const list of document.querySelectorAll(`[data-list^="${topic}:"]`)) {
    const items = valueAt(data, list.dataset.list.slice(topic.length + 1));
    if (Array.isArray(items)) whenAtTop(list, () => updateList(list, ordered(items, list.dataset.sort)));
  }
}

const ordered = (items, by) => (by ? [...items].sort((a, b) => valueAt(b, by) - valueAt(a, by)) : items);

/** Rows enter at the top only while the list is scrolled to its top; else they wait until it is. */
function whenAtTop(list, update) {
  list.onscroll = null;
  if (list.scrollTop === 0) {
    update();
    return;
  }
  list.onscroll = () => {
    if (list.scrollTop > 0) return;
    list.onscroll = null;
    update();
  };
}

function updateList(list, items) {
  const template = list.querySelector(":scope > template");
  const rows = new Map();
  let isFirst = true; // rows without a key are from a page that did not know this list: replaced without a fuss
  for (const row of [...list.children]) {
    if (row === template) continue;
    if (row.dataset.row !== undefined) {
      rows.set(row.dataset.row, row);
      isFirst = false;
    } else {
      row.remove();
    }
  }
  const wasEmpty = rows.size === 0;
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  let place = [...list.children].find((row) => row !== template) ?? null;
  for (const item of items) {
    const key = list.dataset.key.split(" ").map((name) => item[name]).join("|");
    let row = rows.get(key);
    rows.delete(key);
    if (row) {
      fillRow(row, item, "update");
    } else {
      row = template.content.firstElementChild.cloneNode(true);
      row.dataset.row = key;
      fillRow(row, item, "new");
      if (!isFirst || (wasEmpty && list.dataset.ready)) markNew(row);
    }
    if (row === place) place = row.nextElementSibling;
    else list.insertBefore(row, place);
    if (place === template) place = place.nextElementSibling;
  }
  for (const row of rows.values()) row.remove();
  drawBars(list, items);
  list.dataset.ready = "yes";
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  for (const empty of document.querySelectorAll(`[data-empty="${list.dataset.list}"]`)) empty.hidden = items.length > 0;
}

function drawBars(list, items) {
  const bars = [...list.querySelectorAll(":scope > [data-row] [data-field-bar]")]; // one a row, in the order of the items
  const parts = bars.map((bar, place) => bar.dataset.fieldBar.split("/").map((part) => valueAt(items[place], part) ?? 0));
  const highest = Math.max(0, ...parts.map(([one, other]) => one + other));
  bars.forEach((bar, place) => drawParts(bar, ...parts[place], highest));
}

/** Also used for rows outside state lists (the bell): fills the template's fields from `item`. */
export function fillRow(row, item, kind) {
  for (const element of within(row, "[data-field]")) {
    const changed = setText(element, format(valueAt(item, element.dataset.field), element.dataset.format));
    if (changed && kind === "update") markChanged(element, "pulse");
  }
  for (const element of within(row, "[data-attr]")) {
    for (const rule of element.dataset.attr.split(";")) {
      const [name, pattern] = [rule.slice(0, rule.indexOf(":")).trim(), rule.slice(rule.indexOf(":") + 1).trim()];
      element.setAttribute(name, pattern.replace(/\{([\w.]+)\}/g, (_, field) => encodeURIComponent(valueAt(item, field) ?? "")));
    }
  }
  for (const chip of within(row, "[data-field-work]")) {
    const status = valueAt(item, chip.dataset.fieldWork);
    chip.dataset.work = WORK[status] ?? "waiting";
    setIcon(chip.querySelector("use"), `work-${chip.dataset.work}`);
    // The words stand as a text node after the icon, or in a span of their own.
    const words = chip.querySelector("span") ?? chip;
    const last = words.lastChild?.nodeType === Node.TEXT_NODE ? words.lastChild : words.appendChild(new Text());
    if (last.data.trim() !== status) last.data = status;
  }
  for (const element of within(row, "[data-field-delta]")) writeDelta(element, ...element.dataset.fieldDelta.split("/").map((part) => valueAt(item, part)));
  for (const svg of within(row, "[data-field-spark]")) drawSpark(svg, valueAt(item, svg.dataset.fieldSpark) ?? 0);
  for (const element of within(row, "[data-field-level]")) element.dataset.level = valueAt(item, element.dataset.fieldLevel);
}

const within = (row, selector) => [...(row.matches(selector) ? [row] : []), ...row.querySelectorAll(selector)];
