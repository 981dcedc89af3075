// The bell: unread count, the latest notices ([data-notices] with a template[data-notice-template]; rows bear data-row and
// data-unread), and marking them read. Reading in one tab is read in all.

import { clockTime } from "./format.js";
import { fillRow } from "./lists.js";
import { markNew, setIcon, setText } from "./mark.js";
import { toast } from "./toast.js";
import { openChannel } from "../realtime/channel.js";

const SHOWN = 8;
const LOOKS = {
  new_transaction: { tone: "accent", icon: "sale" },
  ready_for_pickup: { tone: "success", icon: "work-taken" },
  stock_alert: { tone: "danger", icon: "alert" },
  payment_processed: { tone: "success", icon: "cash" },
  transaction_updated: { tone: "accent", icon: "pencil" },
  price_updated: { tone: "accent", icon: "tag" },
  day_opened: { icon: "sun" },
  day_closed: { icon: "moon" },
  announcement: { icon: "megaphone" },
};

export function bindBell(manager) {
  const openBell = () => openChannel(`${manager.scope}:bell`, ({ read, unread }) => showRead(read, unread));
  let channel = openBell();
  addEventListener("pagehide", () => channel.close()); // or the page could not enter the back/forward cache
  addEventListener("pageshow", (event) => event.persisted && (channel = openBell()));

  manager.knowNotifications([...document.querySelectorAll("[data-notices] > [data-row]")].map((row) => row.dataset.row));
  manager.connectNotifications({ onData: receive });

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-read-all]")) return;
    event.preventDefault();
    markRead("all", channel);
  });
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-notices] > [data-row][data-unread]");
    if (row && event.target.closest("a")) markRead(row.dataset.row, channel);
  });
}

function receive(notice) {
  const { tone, icon } = LOOKS[notice.type] ?? LOOKS.announcement;
  const href = whereTo(notice);
  for (const list of document.querySelectorAll("[data-notices]")) {
    const row = makeRow(list, { ...notice, time: clockTime(new Date(notice.timestamp)), href }, tone, icon);
    if (row) markNew(row);
  }
  if (notice.snapshot) return; // told again after a reset: no news
  showUnread(unreadNow() + 1);
  toast({ type: notice.type, title: notice.title, detail: notice.message, tone, icon, href });
}

function makeRow(list, notice, tone, icon) {
  const template = list.querySelector("template[data-notice-template]") ?? document.querySelector("template[data-notice-template]");
  if (!template || list.querySelector(`:scope > [data-row="${notice.id}"]`)) return null;
  const row = template.content.firstElementChild.cloneNode(true);
  row.dataset.row = notice.id;
  row.dataset.unread = "";
  fillRow(row, notice, "new");
  const link = row.querySelector("a[data-notice-link], a.stretched-link");
  if (link) link.href = notice.href;
  const box = row.querySelector(".notice-icon");
  if (box) {
    if (tone) box.dataset.tone = tone;
    else delete box.dataset.tone;
    setIcon(box.querySelector("use"), icon);
  }
  const rows = [...list.querySelectorAll(":scope > [data-row]")];
  // One that catches up may be older than the first: ids rise with time.
  const after = rows.find((other) => Number(other.dataset.row) < Number(notice.id)) ?? rows[rows.length - 1]?.nextSibling ?? null;
  list.insertBefore(row, after);
  for (const empty of list.querySelectorAll(":scope > [data-empty-notices]")) empty.remove();
  if (list.closest("[data-bell]")) rows.slice(SHOWN - 1).forEach((old) => old.remove());
  return row;
}

function whereTo({ type, data }) {
  if (data?.transaction_id) return `/penjualan/${data.transaction_id}`;
  if (data?.product_type) return `/stok?${new URLSearchParams({ jenis: data.product_type.toLowerCase(), cari: data.kode ?? "" })}`;
  return type === "stock_alert" ? "/stok?level=low" : "/notifikasi";
}

const unreadNow = () => Number(document.querySelector("[data-unread-count]")?.dataset.unreadCount || document.querySelector("[data-unread-count]")?.textContent) || 0;

function showUnread(count) {
  for (const dot of document.querySelectorAll("[data-unread-count]")) {
    dot.dataset.unreadCount = String(count);
    setText(dot, count > 99 ? "99+" : String(count));
    dot.hidden = count === 0;
    dot.closest("summary")?.setAttribute("aria-label", count ? `Notifikasi, ${count} belum dibaca` : "Notifikasi");
  }
}

/** read: an id or "all". unread: how many the server still counts. */
function showRead(read, unread) {
  const rows = read === "all" ? "[data-notices] > [data-unread]" : `[data-notices] > [data-row="${read}"]`;
  for (const row of document.querySelectorAll(rows)) {
    delete row.dataset.unread;
    row.querySelector(".unread")?.remove();
  }
  showUnread(unread);
}

async function markRead(read, channel) {
  const body = new URLSearchParams(read === "all" ? {} : { id: read });
  // keepalive: the click may be leaving the page
  const sent = fetch("/notifikasi/baca", { method: "POST", body, headers: { Accept: "application/json" }, keepalive: true });
  const guess = read === "all" ? 0 : Math.max(0, unreadNow() - 1);
  showRead(read, guess);
  channel.post({ read, unread: guess });
  const answer = await sent.then((response) => (response.ok ? response.json() : null)).catch(() => null);
  if (typeof answer?.unread !== "number") return;
  showRead(read, answer.unread);
  channel.post({ read, unread: answer.unread });
}
