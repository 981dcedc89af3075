// Parts of a page that the server draws: [data-region] with an id. When an order changes, the page is asked for again and
// the part is exchanged; what has changed in it is tinted. Never under a finger: while something in a region has the focus
// (but for a link), or is being typed, it waits.

import { markNew } from "./mark.js";

const GATHER_MS = 150;       // one sale makes several messages
const EVERY_MS = 1_000;      // and a busy shop many: a page a second is enough for the eye and cheap for the server
const AGAIN_MS = 5_000;      // the server could not be asked

export function bindRegions(manager) {
  let timer = 0;
  let askedAt = 0;
  const later = (wait) => {
    timer ||= setTimeout(async () => {
      timer = 0;
      if (document.visibilityState === "hidden" || isBusy()) return void later(EVERY_MS);
      askedAt = Date.now();
      if (!(await exchange())) later(AGAIN_MS);
    }, wait);
  };
  manager.connectOrders({ onData: () => later(Math.max(GATHER_MS, askedAt + EVERY_MS - Date.now())) });
}

const regions = () => document.querySelectorAll("[data-region]");

function isBusy() {
  const field = document.activeElement;
  return [...regions()].some((region) => region.querySelector("form[data-dirty], form[aria-busy=true]")
    || (field !== region && region.contains(field) && !field.matches("a, button")));
}

async function exchange() {
  let fresh;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok || answer.redirected) return false;
    fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return false;
  }
  for (const region of regions()) {
    const drawn = fresh.getElementById(region.id);
    if (drawn && !drawn.isEqualNode(region) && !isBusy()) replace(region, drawn);
  }
  return true;
}

/** Rows are known by their id: those that are new or look different are tinted; a button keeps the focus. */
function replace(region, drawn) {
  const before = new Map([...region.querySelectorAll("[id]")].map((row) => [row.id, row.cloneNode(true)]));
  const focused = region.contains(document.activeElement) ? document.activeElement.closest("[id]")?.id : null;
  const tag = document.activeElement?.tagName;
  const { scrollLeft, scrollTop } = region;
  region.replaceChildren(...document.adoptNode(drawn).childNodes);
  region.scrollTo(scrollLeft, scrollTop);
  for (const row of region.querySelectorAll("li[id], article[id]")) {
    if (!before.get(row.id)?.isEqualNode(row)) markNew(row);
  }
  if (focused) document.getElementById(focused)?.querySelector(tag.toLowerCase())?.focus({ preventScroll: true });
}
