// Counting with a scanner (scans.js). What others count is asked for every few seconds while somebody looks.

import { writeStock } from "../live/stock.js";
import { markNew, setText } from "../live/mark.js";
import { bindScans } from "./scans.js";

const ASK_EVERY_MS = 3_000;

export function openOpname(root) {
  const form = root.querySelector("[data-scan]");
  const lines = root.querySelector("[data-lines]");
  const template = root.querySelector("[data-line-template]");
  const { opname: id, view } = root.dataset;
  let since = root.dataset.sejak;

  if (!form) return; // it has ended: nothing moves any more
  const code = form.elements.namedItem("kode");
  const amount = form.elements.namedItem("jumlah");

  const scans = bindScans(form, {
    key: `melati:opname:${id}`,
    done({ line, totals }) {
      show(line);
      showTotals(totals);
      const row = lines.querySelector(`[data-line="${line.product_id}"]`);
      if (row) markNew(row);
      return `${line.nama}: ${line.counted}`;
    },
  });
  root.addEventListener("click", (event) => {
    const link = event.target.closest("[data-anew]");
    if (!link) return;
    event.preventDefault();
    code.value = link.dataset.anew;
    amount.focus();
  });

  function show(line) {
    let row = lines.querySelector(`[data-line="${line.product_id}"]`);
    if (view === "belum") {
      row?.remove();
      return;
    }
    if (!row) {
      if (view !== "dihitung") return;
      row = template.content.firstElementChild.cloneNode(true);
      row.dataset.line = line.product_id;
      row.dataset.product = `${line.product_type}:${line.product_id}`;
      lines.prepend(row);
      root.querySelector("[data-nothing]").hidden = true;
    }
    const difference = line.counted - line.stok_counted;
    const texts = {
      ...line,
      counted_by: line.counted_by ?? "",
      difference: difference > 0 ? `+${difference}` : difference < 0 ? `−${-difference}` : "cocok",
      is_moved: line.is_moved ? "Bergerak selagi dihitung, hitung ulang" : "",
    };
    for (const place of row.querySelectorAll("[data-of]")) setText(place, String(texts[place.dataset.of]));
    row.querySelector('[data-of="difference"]').classList.toggle("owed", difference !== 0);
    const anew = row.querySelector("[data-anew]");
    if (anew) anew.dataset.anew = line.kode;
    writeStock(row.querySelector(".stock"), line.stok, line.alert_level);
  }

  function showTotals(totals) {
    const all = { ...totals, left: Math.max(0, totals.products - totals.counted) };
    for (const place of root.querySelectorAll("[data-total]")) setText(place, String(all[place.dataset.total]));
  }

  setInterval(async () => {
    if (document.visibilityState === "hidden") return;
    const news = await fetch(`/stok/opname/${id}/kabar?sejak=${since}`, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
    if (!news) return;
    since = news.sejak;
    for (const line of news.lines) show(line);
    showTotals(news.totals);
    if (news.status !== "berjalan" && !scans.length) location.reload();
  }, ASK_EVERY_MS);
}
