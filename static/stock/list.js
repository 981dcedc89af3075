// The stock list's own part: the counts beside the filter follow the stock. Rows are live/stock.js's, and stay where they are:
// a list that sorts itself anew under a finger is worse than one that is sorted as it was.

import { setText } from "../live/mark.js";

const GATHER_MS = 700;   // a delivery is many changes
const EVERY_MS = 2_000;

export function openList(list, manager) {
  let timer = 0;
  let askedAt = 0;
  const ask = async () => {
    timer = 0;
    askedAt = Date.now();
    const counts = await fetch(`/api/stok/jumlah${location.search}`, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
    if (!counts) return; // the next change asks again
    counts.all = counts.low + counts.medium + counts.normal;
    for (const place of list.querySelectorAll("[data-count]")) setText(place, String(counts[place.dataset.count]));
  };
  manager.connectStockUpdates({
    onData() {
      timer ||= setTimeout(ask, Math.max(GATHER_MS, askedAt + EVERY_MS - Date.now()));
    },
  });
}
