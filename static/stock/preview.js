// [data-preview] in the form of one product: what the shelf will hold when this is saved, and at which level. The first chip in it
// is how the stock stands now, and live like every other; a delivery adds to that, a count replaces it.

import { writeStock } from "../live/stock.js";

const MEDIUM = 10; // as alert_level has it in the schema, which has the last word

export function openPreview(preview, manager) {
  const form = preview.closest("form");
  const next = preview.querySelector("[data-next]");
  const chip = next.querySelector(".stock");
  const minimum = Number(preview.dataset.minimum);
  const draw = () => {
    const now = Number(preview.querySelector("[data-stock]").textContent) || 0; // "Habis" is none
    const counted = form.elements.namedItem("counted");
    const typed = (counted ?? form.elements.namedItem("quantity")).value.replaceAll(".", "").trim();
    const after = counted ? Number(typed) : now + Number(typed);
    next.hidden = !/^\d+$/.test(typed) || after === now;
    if (next.hidden) return;
    writeStock(chip, after, after <= minimum ? "low" : after <= MEDIUM ? "medium" : "normal");
  };
  form.addEventListener("input", draw);
  manager.connectStockUpdates({ onData: draw }); // after live/stock.js, which has written the chip by then
  draw();
}
