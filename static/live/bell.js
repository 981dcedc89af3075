// The bell: unread count, the latest notices ([data-notices] with a template[data-notice-template]; rows bear data-row and
// data-unread), and marking them read. Reading in one tab is read in all.

import { clockTime } from "./format.js";
import { fillRow } from "./lists.js";
import { markNew, setIcon, setText } from "./mark.js";
import { toast } from "./toast.js";
import { isMuted, listenForMutes } from "../notify/mutes.js";
import { show } from "../notify/system.js";
import { speak } from "../notify/voice.js";
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
  stock_transfer: { tone: "accent", icon: "swap" },
  announcement: { icon: "megaphone" },
};

/** poppedUp: types of news that interrupt in a way of their own, and need no toast. */
export function bindBell(manager, redraw, { poppedUp = [] } = {}) {
  const openBell = () => openChannel(`${manager.scope}:bell`, ({ read, unread }) => showRead(read, unread));
  let channel = openBell();
  addEventListener("pagehide", () => channel.close()); // or the page could not enter the back/forward cache
  addEventListener("pageshow", (event) => event.persisted && (channel = openBell()));

  manager.knowNotifications([...document.querySelectorAll("[data-notices] > [data-row]")].map((row) => row.dataset.row));
  listenForMutes(manager.scope);
  manager.connectNotifications({
    onData(notice) {
      const told = receive(notice);
      if (notice.type === "stock_alert") redraw(); // what became of it stands in its row
      if (!told || isMuted(notice.type)) return;
      if (!poppedUp.includes(notice.type)) toast(told);
      speak(manager.scope, notice);
      if (manager.leads) show(notice, told.href);
    },
  });
  bindRecount(manager);

  document.addEventListener("submit", (event) => {
    const read = event.target.matches("[data-read-all]") ? "all" : event.target.dataset.read;
    const answered = event.target.closest("[data-notices] > [data-row][data-unread] .notice-answer");
    if (answered) markRead(answered.closest("[data-row]").dataset.row, channel);
    if (!read) return;
    event.preventDefault();
    markRead(read, channel);
  });
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-notices] > [data-row][data-unread]");
    if (row && event.target.closest("a")) markRead(row.dataset.row, channel);
  });
}

/** Puts it into the lists. Returns it as a toast would say it; nothing if it is no news. */
function receive(notice) {
  const { tone, icon } = LOOKS[notice.type] ?? LOOKS.announcement;
  const href = whereTo(notice);
  for (const list of document.querySelectorAll("[data-notices]")) {
    if (list.dataset.types && !list.dataset.types.split(" ").includes(notice.type)) continue;
    const row = makeRow(list, { ...notice, time: clockTime(new Date(notice.timestamp)), href }, tone, icon);
    if (row) markNew(row);
  }
  if (notice.snapshot) return null; // told again after a reset
  showUnread(unreadNow() + 1);
  return { type: notice.type, title: notice.title, detail: notice.message, tone, icon, href };
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
  if (data?.transfer_id) return `/stok/transfer/${data.transfer_id}`;
  if (data?.transaction_id) return `/penjualan/${data.transaction_id}`;
  if (type === "announcement") return "/notifikasi?jenis=pengumuman";
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
  for (const words of document.querySelectorAll("[data-unread-words]")) {
    setText(words.querySelector("[data-unread-number]"), count > 99 ? "99+" : String(count));
    words.hidden = count === 0;
  }
}

/** read: an id or "all". unread: how many the server still counts. */
function showRead(read, unread) {
  const rows = read === "all" ? "[data-notices] > [data-unread]" : `[data-notices] > [data-row="${read}"]`;
  for (const row of document.querySelectorAll(rows)) {
    showAsRead(row);
  }
  showUnread(unread);
}

function showAsRead(row) {
  delete row.dataset.unread;
  row.querySelector(".unread")?.remove();
  const form = row.querySelector(".mark-read");
  const next = form?.contains(document.activeElement) ? row.nextElementSibling?.querySelector(".mark-read button") ?? row.querySelector("a") : null;
  form?.remove();
  next?.focus({ preventScroll: true }); // whoever goes through them by keyboard goes on
}

/** Read on another device: the stream says so, and not what. Also asked by who comes back, for it may have been said meanwhile. */
function bindRecount(manager) {
  let timer = 0;
  let isDue = false;
  const recount = async () => {
    timer = 0;
    isDue = document.visibilityState === "hidden";
    if (isDue) return;
    const rows = [...document.querySelectorAll("[data-notices] > [data-row][data-unread]")];
    const ids = [...new Set(rows.map((row) => row.dataset.row))];
    const asked = await fetch(`/api/notifikasi/belum?${new URLSearchParams({ ids: ids.join(",") })}`, { headers: { Accept: "application/json" } }).catch(() => null);
    const answer = asked?.ok ? await asked.json().catch(() => null) : null;
    if (!answer) return;
    const still = new Set(answer.still.map(String));
    for (const row of rows) if (!still.has(row.dataset.row)) showAsRead(row);
    showUnread(answer.unread);
  };
  const soon = () => (timer ||= setTimeout(recount, 100));
  manager.onReads(soon);
  document.addEventListener("visibilitychange", () => isDue && soon());
  let wasDown = false;
  manager.onStatus(({ is }) => {
    if (is === "stale") wasDown = true;
    else if (is === "live" && wasDown) {
      wasDown = false;
      soon();
    }
  });
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
