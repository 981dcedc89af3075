// Low stock that waits for an answer. Whoever can answer gets a popup, once an alert in all tabs of the browser (and again when
// a snooze has ended): a question in the middle of the screen, or a toast while somebody is typing or selling. It closes by
// itself when somebody else has answered. What the page lists of alerts (data-alerts-region) is drawn anew at a change.
//
// Alerts ride on their products in the stock stream. At the start, and whenever the tab is looked at again, they are
// asked for, because one may have come between two pages.

import { setIcon } from "./mark.js";
import { anchor, badge, corner, element, isAsking, loadSwal, toast } from "./toast.js";
import { readAnswer } from "../forms/enhance.js";
import { claim, passOver } from "../notify/once.js";
import { isMuted } from "../notify/mutes.js";

const TYPE = "stock_alert";
const TOAST_MS = 30_000;   // then it makes room; the alert stays open
const AGAIN_MS = 1_000;    // another question is on the screen
const LONGEST_MS = 2 ** 31 - 1;
const LISTED = 5;

/** Admins; a super admin in the branch they have chosen, not in all at once. */
export function mayAnswerAlerts() {
  const { role, branchId } = document.body.dataset;
  return role === "admin" || (role === "super_admin" && Boolean(branchId));
}

export function bindAlerts(manager, redraw) {
  const popups = mayAnswerAlerts() ? new Popups(manager) : null;
  manager.connectStockUpdates({
    onData({ updates }) {
      const region = document.querySelector("[data-alerts-region]");
      const concerns = (update) => update.alert || region.querySelector(`[data-product="${update.product_type}:${update.product_id}"]`);
      if (region && updates.some(concerns)) redraw();
      popups?.hear(updates);
    },
  });
  popups?.start(redraw);
}

class Popups {
  #waiting = new Map();   // id → alert: unanswered, not put off
  #queue = new Set();     // ids that should be shown
  #shown = new Map();     // id → alert: in the popup that is open
  #heard = new Set();     // ids that came by the stream: news, also to a browser that is new here
  #aheadMs = 0;           // of the server's clock
  #loading = null;
  #wakeTimer = 0;
  #laterTimer = 0;
  #redraw = () => {};

  constructor(manager) {
    this.store = `${manager.scope}:alerts`;
  }

  start(redraw) {
    this.#redraw = redraw;
    this.#load();
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#load());
    addEventListener("pageshow", (event) => event.persisted && this.#load());
  }

  async hear(updates) {
    for (const { alert } of updates) if (alert) this.#heard.add(alert.id);
    await this.#loading;
    for (const update of updates) {
      const { alert } = update;
      for (const [id, known] of this.#waiting) {
        const isSame = known.product_type === update.product_type && known.product_id === update.product_id;
        if (isSame && id !== alert?.id) this.#forget(id);
      }
      if (!alert || alert.acked_at || update.deleted) {
        if (alert) this.#forget(alert.id);
        continue;
      }
      const { product_type, product_id, product_name, kode } = update;
      this.#consider({ ...alert, product_type, product_id, product_name, kode, stok: update.new_stock });
    }
    this.#present();
  }

  /** The server's list is the truth: what is not in it has been answered. */
  #load() {
    this.#loading ??= this.#fetch().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #fetch() {
    const answer = await fetch("/api/peringatan", { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return;
    const { now, alerts } = await answer.json();
    this.#aheadMs = Date.parse(now) - Date.now();
    for (const id of [...this.#waiting.keys()]) if (!alerts.some((alert) => alert.id === id)) this.#forget(id);
    // The first page in this browser: what was low before is on the dashboard, and no news.
    await passOver(this.store, alerts.filter((alert) => !this.#heard.has(alert.id) && !this.#isPutOff(alert)).map(key));
    for (const alert of alerts) this.#consider(alert);
    this.#present();
  }

  #isPutOff({ snoozed_until }) {
    return Boolean(snoozed_until) && Date.parse(snoozed_until) > Date.now() + this.#aheadMs;
  }

  #consider(alert) {
    if (this.#isPutOff(alert)) {
      this.#forget(alert.id);
      this.#wakeAt(Date.parse(alert.snoozed_until) - this.#aheadMs);
      return;
    }
    if (!alert.fell && !alert.snoozed_until) return; // entered like that: who did so knows
    const isKnown = this.#waiting.has(alert.id) && key(this.#waiting.get(alert.id)) === key(alert);
    this.#waiting.set(alert.id, alert);
    if (this.#shown.has(alert.id)) {
      this.#shown.set(alert.id, alert);
      this.#fill();
    } else if (!isKnown) {
      this.#queue.add(alert.id);
    }
  }

  #forget(id) {
    this.#waiting.delete(id);
    this.#queue.delete(id);
    if (!this.#shown.delete(id)) return;
    if (this.#shown.size) this.#fill();
    else this.swal.close();
  }

  /** The next snooze that ends; then the server is asked how things stand. */
  #wakeAt(at) {
    if (this.#wakeTimer && at >= this.wakesAt) return;
    clearTimeout(this.#wakeTimer);
    this.wakesAt = at;
    this.#wakeTimer = setTimeout(() => {
      this.#wakeTimer = 0;
      this.#load();
      if (document.querySelector("[data-alerts-region]")) this.#redraw();
    }, Math.min(LONGEST_MS, Math.max(0, at - Date.now()) + 50));
  }

  async #present() {
    if (!this.#queue.size || document.visibilityState === "hidden") return;
    if (isMuted(TYPE)) {
      this.#queue.clear();
      return;
    }
    this.swal = await loadSwal();
    if (!this.#shown.size && isAsking(this.swal)) {
      clearTimeout(this.#laterTimer);
      this.#laterTimer = setTimeout(() => this.#present(), AGAIN_MS);
      return;
    }
    const alerts = [...this.#queue].map((id) => this.#waiting.get(id)).filter(Boolean);
    this.#queue.clear();
    const won = await claim(this.store, alerts.map(key));
    // answered while we asked who may show it
    const mine = alerts.filter((alert) => won.includes(key(alert)) && this.#waiting.has(alert.id));
    if (!mine.length) return;
    const wasOpen = this.#shown.size > 0;
    for (const alert of mine) this.#shown.set(alert.id, alert);
    if (wasOpen) this.#fill();
    else this.#open();
  }

  async #open() {
    this.title = element("span", "d-flex align-items-center gap-3");
    this.content = element("div", "stack gap-2 w-100");
    this.#fill();
    const { isConfirmed, isDenied } = await this.swal.fire(isTyping() ? this.#asToast() : this.#asQuestion());
    const alerts = [...this.#shown.values()];
    this.#shown.clear();
    if (isConfirmed) await answer(alerts, "tanggapi", {});
    else if (isDenied) await answer(alerts, "tunda", { sampai: "jam" });
    this.#present();
  }

  #asQuestion() {
    return {
      ...this.#buttons(),
      title: this.title,
      heightAuto: false,
      customClass: {
        popup: "popup", title: "popup-title", actions: "popup-actions", confirmButton: "btn btn-primary", denyButton: "btn btn-quiet",
      },
    };
  }

  /** The same, without taking the focus from what is being typed. */
  #asToast() {
    this.content.prepend(this.title);
    this.title.className = "d-flex align-items-center gap-3 strong";
    return {
      ...this.#buttons(),
      toast: true,
      position: corner(),
      timer: TOAST_MS,
      didOpen: (popup) => {
        popup.addEventListener("mouseenter", this.swal.stopTimer);
        popup.addEventListener("mouseleave", this.swal.resumeTimer);
      },
      customClass: {
        container: "toast-place", popup: "note urgent", actions: "note-actions", confirmButton: "btn btn-primary", denyButton: "btn btn-quiet",
      },
    };
  }

  #buttons() {
    return {
      html: this.content,
      showDenyButton: true,
      showCloseButton: true,
      closeButtonAriaLabel: "Tutup",
      confirmButtonText: "Tanggapi",
      denyButtonText: "Tunda 1 jam",
      buttonsStyling: false,
    };
  }

  #fill() {
    if (!this.content) return;
    const alerts = [...this.#shown.values()];
    const title = alerts.length === 1 ? "Stok rendah" : `${alerts.length} produk stoknya rendah`;
    this.title.replaceChildren(badge("danger", "alert"), title);
    const rows = alerts.slice(0, LISTED).map(row);
    if (alerts.length > LISTED) rows.push(element("p", "small muted", `dan ${alerts.length - LISTED} lagi`));
    const foot = element("p", "small");
    foot.append(anchor("/peringatan", "Lihat daftar, atau tunda lebih lama"));
    const head = this.title.parentNode === this.content ? [this.title] : [];
    this.content.replaceChildren(...head, ...rows, foot);
  }
}

/** One popup an alert; when a snooze has ended it is another one. */
const key = ({ id, snoozed_until }) => (snoozed_until ? `${id}@${Date.parse(snoozed_until)}` : String(id));

function isTyping() {
  return Boolean(document.activeElement?.matches("input, textarea, select, [contenteditable]") || document.querySelector("[data-sale]"));
}

function row({ product_name, kode, stok }) {
  const line = element("p", "line-up");
  const chip = element("span", "stock");
  chip.dataset.level = stok > 0 ? "low" : "out";
  const icon = badge("", "").querySelector("svg");
  setIcon(icon.querySelector("use"), `level-${chip.dataset.level}`);
  chip.append(icon, stok > 0 ? `tinggal ${stok}` : "habis");
  line.append(element("span", "flex-fill min-w-0", element("strong", "", product_name), " ", element("span", "code muted", kode)), chip);
  return line;
}

/** Somebody else may have been faster, or the shelf is full again: that is said, and is no failure. */
async function answer(alerts, what, form) {
  const answers = await Promise.all(alerts.map(({ id }) => readAnswer(fetch(`/peringatan/${id}/${what}`, {
    method: "POST", body: new URLSearchParams(form), headers: { Accept: "application/json" },
  }))));
  const refused = answers.find(({ error }) => error);
  if (refused) {
    toast({ type: "refusal", title: refused.error.message, tone: "warning", icon: "info" });
    return;
  }
  const title = alerts.length === 1 ? answers[0].message
    : what === "tunda" ? `${alerts.length} produk ditunda 1 jam.` : `Anda menangani ${alerts.length} produk.`;
  toast({ type: "done", title, tone: "success", icon: "check" });
}
