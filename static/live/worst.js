// The products that need attention, the worst first: <ul data-worst="10">, in the navbar's menu and on the dashboards. The
// server draws them with the page. Their numbers are always live (stock.js); which they are and in what order is asked of it
// again when the menu is opened, and when a message could have changed it; never exchanged under a hand: while the pointer or
// the focus is on a list, it waits.

import { markNew } from "./mark.js";

const GATHER_MS = 150;
const EVERY_MS = 1_000;
const AGAIN_MS = 5_000;

const lists = () => document.querySelectorAll("[data-worst]");
const hover = matchMedia("(hover: hover)"); // a finger leaves :hover behind where it last was

export function bindWorst(manager) {
  let timer = 0;
  let askedAt = 0;
  let isWaiting = false; // something has changed that is not shown yet
  const look = (wait) => {
    isWaiting = true;
    timer ||= setTimeout(async () => {
      timer = 0;
      const free = [...lists()].filter((list) => isShown(list) && !isHeld(list));
      if (!free.length || document.visibilityState === "hidden") return;
      askedAt = Date.now();
      isWaiting = [...lists()].some((list) => isShown(list) && isHeld(list));
      if (await exchange(free)) return;
      for (const list of free) say(list, "Belum bisa dimuat. Kami coba lagi sendiri.");
      look(AGAIN_MS);
    }, wait);
  };
  const soon = () => look(Math.max(GATHER_MS, askedAt + EVERY_MS - Date.now()));
  manager.connectStockUpdates({ onData: (message) => concerns(message) && soon() });

  const menu = document.querySelector("[data-worst-menu]");
  menu?.addEventListener("toggle", () => {
    if (!menu.open) return;
    say(menu.querySelector("[data-worst]"), "Memuat…");
    look(0);
  });
  const released = (event) => isWaiting && event.target.closest?.("[data-worst]") && soon();
  document.addEventListener("pointerout", released);
  document.addEventListener("focusout", released);
  document.addEventListener("visibilitychange", () => isWaiting && soon());
}

const isShown = (list) => !list.closest("details:not([open])");
const isHeld = (list) => (hover.matches && list.matches(":hover")) || list.matches(":active, :focus-within");
const hasProducts = (list) => Boolean(list.querySelector("[data-product]"));

/** In a list that has nothing else to show yet. */
function say(list, words) {
  if (hasProducts(list)) return;
  const row = document.createElement("li");
  row.className = "muted";
  row.textContent = words;
  list.replaceChildren(row);
}

/** A product that alerts, or one that is shown and does so no longer. */
function concerns({ updates }) {
  return updates.some(({ alert_level, product_type, product_id }) => alert_level !== "normal"
    || document.querySelector(`[data-worst] > [data-product="${product_type}:${product_id}"]`));
}

async function exchange(free) {
  let drawn;
  try {
    const answer = await fetch("/stok/terendah", { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok || answer.redirected) return false;
    drawn = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return false;
  }
  const rows = [...drawn.querySelectorAll("li")];
  for (const list of free) if (!isHeld(list)) fill(list, rows.slice(0, Number(list.dataset.worst)));
  return true;
}

/** Rows are known by their product: one that stays is the same element, with its live number. */
function fill(list, rows) {
  const before = new Map([...list.querySelectorAll(":scope > [data-product]")].map((row) => [row.dataset.product, row]));
  const wasEmpty = !hasProducts(list);
  const after = rows.map((row) => {
    const same = before.get(row.dataset.product);
    const shown = document.adoptNode(row.cloneNode(true));
    if (same && same.textContent.trim() === shown.textContent.trim()) return same;
    if (!same && !wasEmpty) markNew(shown);
    return shown;
  });
  if (after.length !== list.children.length || after.some((row, place) => row !== list.children[place])) list.replaceChildren(...after);
}
