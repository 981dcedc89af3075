// Scanning what goes to another branch (scans.js). The list and the number of pieces are drawn by the server (data-region).

import { exchangeRegions } from "../live/regions.js";
import { bindScans } from "./scans.js";

export function openTransfer(form) {
  let drawn = Promise.resolve(); // one after the other: an older answer must not come last
  bindScans(form, {
    key: `melati:transfer:${form.dataset.transfer}`,
    done: ({ nama, jumlah }) => `${nama}: ${jumlah}`,
    settled: () => (drawn = drawn.then(exchangeRegions)),
  });
}
