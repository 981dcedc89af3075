// Parts of a page that the server draws: [data-region] with an id, and as its value the topics that change it (none: "orders").
// When one of them says something, the page is asked for again and the part is exchanged; what has changed in it is tinted:
// rows with an id, and figures ([data-figure] with an id). At most every second, or every data-every seconds. One that is about a
// single product (data-only="Frame:12") cares for no other's stock. Never under a finger: while something in a region has the focus (but for a link), or is being typed, it waits.

import { markChanged, markNew } from "./mark.js";

const GATHER_MS = 150;       // one sale makes several messages
const EVERY_MS = 1_000;      // and a busy shop many: a page a second is enough for the eye and cheap for the server
const AGAIN_MS = 5_000;      // the server could not be asked

const CONNECT = {
  orders: (manager, handlers) => manager.connectOrders(handlers),
  dashboard: (manager, handlers) => manager.connectDashboard(handlers),
  "stock-updates": (manager, handlers) => manager.connectStockUpdates(handlers),
};

/** Returns what asks for the page again, soon: for changes that no topic tells. */
export function bindRegions(manager, topics) {
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
  const wanted = new Set([...regions()].flatMap(topicsOf));
  for (const topic of topics) {
    if (!wanted.has(topic)) continue;
    CONNECT[topic]?.(manager, {
      onData: (message) => concerns(topic, message) && later(Math.max(GATHER_MS, askedAt + slowest(topic) - Date.now())),
    });
  }
  return () => later(Math.max(GATHER_MS, askedAt + EVERY_MS - Date.now()));
}

const regions = () => document.querySelectorAll("[data-region]");
const concerns = (topic, { updates }) => [...regions()].some((region) => topicsOf(region).includes(topic)
  && (!region.dataset.only || !updates || updates.some(({ product_type, product_id }) => `${product_type}:${product_id}` === region.dataset.only)));
const slowest = (topic) => Math.max(EVERY_MS, ...[...regions()].filter((region) => topicsOf(region).includes(topic))
  .map((region) => 1_000 * (Number(region.dataset.every) || 0)));
const topicsOf = (region) => region.dataset.region ? region.dataset.region.split(" ") : ["orders"];

function isBusy() {
  const field = document.activeElement;
  return [...regions()].some((region) => region.querySelector("form[data-dirty], form[aria-busy=true], details[open]")
    || (field !== region && region.contains(field) && !field.matches("a, button")));
}

/** Asks for the page now, for a script that knows of a change. False: the server could not be asked. */
export const exchangeRegions = () => exchange();

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

/** Rows are known by their id: those that are new or look different are tinted; a button or link keeps the focus. */
function replace(region, drawn) {
  const before = new Map([...region.querySelectorAll("[id]")].map((row) => [row.id, row.cloneNode(true)]));
  const held = region.contains(document.activeElement) ? document.activeElement : null;
  const row = held?.closest("[id]");
  const place = held ? [...row.querySelectorAll(held.tagName)].indexOf(held) : -1;
  const { scrollLeft, scrollTop } = region;
  region.replaceChildren(...document.adoptNode(drawn).childNodes);
  region.scrollTo(scrollLeft, scrollTop);
  for (const row of region.querySelectorAll("li[id], article[id], tr[id]")) {
    if (!before.get(row.id)?.isEqualNode(row)) markNew(row);
  }
  for (const figure of region.querySelectorAll("[data-figure][id]")) {
    if (before.get(figure.id)?.textContent !== figure.textContent) markChanged(figure, "pulse");
  }
  if (!held) return;
  const same = document.getElementById(row.id)?.querySelectorAll(held.tagName) ?? [];
  (same[place] ?? same[0] ?? region.closest("li")?.querySelector("a"))?.focus({ preventScroll: true });
}
