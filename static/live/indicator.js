// Says whether the screen is true: [data-live] in the top bar, main[data-stale], and after ten seconds the banner
// [data-banner] (its [data-banner-time] is the time of the last data, its [data-retry] tries at once).

import { clockTime } from "./format.js";
import { setText } from "./mark.js";

export function showStatus({ is, dataAt, isLong }) {
  const time = clockTime(dataAt);
  const words = { live: "Langsung", connecting: "Menyambung…", stale: `Data per ${time}` }[is];
  for (const element of document.querySelectorAll("[data-live]")) {
    element.dataset.live = is;
    setText(element.querySelector("[data-live-text]") ?? element, words);
  }
  announce(is, time);
  document.querySelector("main")?.toggleAttribute("data-stale", is === "stale");
  for (const banner of document.querySelectorAll("[data-banner]")) {
    for (const element of banner.querySelectorAll("[data-banner-time]")) setText(element, time);
    banner.hidden = !(is === "stale" && isLong);
  }
  for (const element of document.querySelectorAll("[data-live-per]")) {
    setText(element, is === "stale" ? `stok per ${time}` : "stok langsung");
  }
}

let wasStale = false;

/** Read out is only what changes what one can rely on: not that each page, once more, is live. */
function announce(is, time) {
  const said = document.querySelector("[data-live-said]");
  if (!said || is === "connecting") return;
  if (is === "stale" && !wasStale) setText(said, `Sambungan terputus, data per ${time}`);
  if (is === "live" && wasStale) setText(said, "Tersambung lagi");
  wasStale = is === "stale";
}

export function bindRetry(manager) {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-retry]")) manager.retry();
  });
}
