// The page /penjualan/create: a patient, a cart, a payment, one press. The server computes every price and decides whether the
// sale can be; the page keeps what was typed until the server has said yes.

import { clearRefusal, showRefusal } from "../forms/enhance.js";
import { isOn } from "../forms/device.js";
import { PRINT_NOW } from "../forms/print.js";
import { rupiah } from "../live/format.js";
import { setText } from "../live/mark.js";
import { LOST_SALE, newReference, quote, sell } from "./api.js";
import { Camera } from "./camera.js";
import { Cart } from "./cart.js";
import { keepDraft, readDraft } from "./draft.js";
import { PatientPicker } from "./patient.js";
import { Payment } from "./payment.js";
import { keyOf, Picker } from "./picker.js";
import { bindScanner } from "./scanner.js";
import { Shortcuts } from "./shortcuts.js";

const QUOTE_PAUSE_MS = 60;
const QUOTE_AGAIN_MS = 2_000; // a quote that nobody answered is asked for again

/** Refused after the server had looked whether the sale is there already (src/sales/sql.rs): so it is not. */
const LOOKED = ["client_ref", "day_closed", "price_changed", "rate", "stock"];

/** Whether the sale may have been saved. What was refused on the way there says nothing of a try before it. */
function outcomeIsUnknown({ status, error }, wasUnknown) {
  if (!error || LOOKED.includes(error.code)) return false;
  return wasUnknown || !(status < 500 || error.code === "signed_out");
}

export function openTill(main, manager) {
  const till = new Till(main);
  manager.connectStockUpdates({ onData: (message) => till.stockChanged(message.updates) });
  manager.onReset(() => till.startOver());
}

class Till {
  #quoteTimer = 0;
  #asking = null;        // the AbortController of the quote under way
  #quoted = null;        // resolves when the newest quote is here
  #told = null;          // the order and the price that stand on the screen
  #isPriceless = false;  // the newest quote failed: what was refused is taken back by the next that does not
  #unanswered = null;    // {order, sale}: sent, and no answer came
  #isSaving = false;
  #isSold = false;
  #live = new Map();     // key → stock as last heard, for lines whose product the picker has not seen

  constructor(main) {
    this.main = main;
    this.userId = document.body.dataset.userId;
    const draft = readDraft(this.userId);
    this.reference = draft?.client_ref ?? newReference();
    this.isOutcomeUnknown = Boolean(draft?.client_ref);
    this.total = null;

    this.payment = new Payment(main);
    this.cart = new Cart(main, {
      changed: () => this.#changed(),
      stockOf: (key, quoted) => this.#stockOf(key, quoted),
      leave: () => this.picker.field.focus(),
    });
    this.patients = new PatientPicker(main, {
      changed: () => this.#patientChanged(),
      done: () => this.picker.field.focus(),
    });
    this.picker = new Picker(main, {
      add: (product) => this.cart.add(keyOf(product), product),
      patientService: () => this.patients.patient?.service_type ?? null,
    });
    if (draft?.patient) this.patients.choose(draft.patient);
    for (const item of draft?.items ?? []) {
      this.cart.add(keyOf(item), { ...item, product_name: item.nama }, item.quantity);
    }
    this.cart.show();
    if (this.isOutcomeUnknown) showRefusal(this.payment.form, { message: LOST_SALE });
    if (!isOn("auto-print")) setText(main.querySelector("[data-save-text]"), "Simpan penjualan");

    const isScanning = bindScanner((code, field, whole) => this.picker.scan(code, field === this.picker.field ? whole.trim() : code));
    new Camera(main.querySelector("[data-camera]"), main.querySelector("[data-camera-open]"), (code) => this.picker.scan(code, code));
    new Shortcuts(main, isScanning, {
      search: () => this.picker.focus(),
      patient: () => (document.activeElement === this.patients.field ? this.patients.addNew() : this.patients.change()),
      method: () => this.payment.nextMethod(),
      part: () => this.payment.togglePart(),
      pay: () => this.payment.focus(),
      save: () => this.save(),
      more: () => this.cart.nudge(1),
      less: () => this.cart.nudge(-1),
    });
    this.payment.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
  }

  stockChanged(updates) {
    let needsQuote = false;
    for (const update of updates) {
      const key = keyOf(update);
      const repriced = this.picker.update(update);
      if (!this.cart.has(key)) continue;
      // Made to order never alerts, so its level says whether the number matters.
      this.#live.set(key, update.deleted ? 0 : update.alert_level === "normal" && update.new_stock <= 0 ? Infinity : update.new_stock);
      if (repriced || update.deleted) needsQuote = true;
    }
    this.cart.show();
    if (needsQuote) this.#quoteSoon();
  }

  startOver() {
    this.#live.clear();
    this.picker.forgetResults();
    this.#quoteSoon();
  }

  async save() {
    if (this.#isSaving) return;
    this.cart.commit();
    const form = this.payment.form;
    clearRefusal(form);
    if (this.cart.isEmpty) {
      showRefusal(form, { message: "Keranjang masih kosong." });
      this.picker.field.focus();
      return;
    }
    if (!this.patients.patient) {
      this.patients.ask("Pilih pasiennya dulu.");
      return;
    }
    this.#setSaving(true);
    try {
      const sale = await this.#saleNow();
      if (!sale) return;
      const wasUnknown = this.isOutcomeUnknown;
      this.isOutcomeUnknown = true;
      this.#unanswered = { order: JSON.stringify(this.#order()), sale };
      this.#keep();
      const answer = await sell(sale);
      this.isOutcomeUnknown = outcomeIsUnknown(answer, wasUnknown);
      if (!this.isOutcomeUnknown) this.#unanswered = null;
      // Under this reference there is another sale: this cart, should it be one too, needs a reference of its own.
      if (answer.error?.code === "client_ref") this.reference = newReference();
      this.#keep();
      if (answer.error) this.#refused(answer.error);
      else this.#sold(answer);
    } finally {
      if (!this.#isSold) this.#setSaving(false);
    }
  }

  /** What is to be sold as it stands on the screen; null, and said why, if it cannot be yet. */
  async #saleNow() {
    const form = this.payment.form;
    const told = this.#told; // what stands on the screen while the button is pressed
    await this.#quoted;
    if (!this.total) {
      // No prices, and no answer to what was sent: the very same may be sent again.
      if (this.#unanswered?.order === JSON.stringify(this.#order())) return this.#unanswered.sale;
      showRefusal(form, { message: "Harga belum bisa dihitung. Coba lagi sebentar." });
      return null;
    }
    if (told?.order === this.#told.order && told.omset_umum !== this.total.omset_umum) {
      const now = `sekarang ${rupiah(this.total.omset_umum)}, tadi ${rupiah(told.omset_umum)}`;
      showRefusal(form, { message: `Harga baru saja berubah: pasien membayar ${now}. Beri tahu pasien, lalu simpan lagi.` });
      return null;
    }
    const paid = this.payment.read();
    if (paid.fields) {
      showRefusal(form, { fields: paid.fields });
      return null;
    }
    const { total, omset_umum } = this.total;
    return { client_ref: this.reference, ...this.#order(), ...paid, disepakati: { total, omset_umum } };
  }

  #sold({ redirect }) {
    this.#isSold = true; // the next page is on its way: another press sends nothing
    keepDraft(this.userId, null);
    // "Back" may bring this page again as it was, with a cart that is sold.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    location.assign(`${redirect}/struk${isOn("auto-print") ? PRINT_NOW : ""}`);
  }

  #refused(error) {
    clearRefusal(this.payment.form);
    const byProduct = Object.fromEntries(Object.entries(error.fields ?? {}).filter(([name]) => name.includes(":")));
    const byField = Object.fromEntries(Object.entries(error.fields ?? {}).filter(([name]) => !name.includes(":")));
    const homeless = this.cart.showRefusals(byProduct);
    if (byField.pasien_id) this.patients.ask(byField.pasien_id);
    showRefusal(this.payment.form, { message: [error.message, ...homeless].join(" "), fields: byField });
    // the quote knows what is left, and what it costs now
    if (error.code === "stock" || error.code === "price_changed") this.#quoteSoon();
  }

  #order() {
    return {
      pasien_id: this.patients.patient?.id ?? null,
      items: this.cart.items.map(({ product_type, product_id, quantity }) => ({ product_type, product_id, quantity })),
    };
  }

  #patientChanged() {
    this.#changed();
    this.picker?.search(); // "Naik Kelas" is about this patient
  }

  #changed() {
    clearRefusal(this.payment.form);
    this.#isPriceless = false;
    this.#keep();
    this.#quoteSoon();
  }

  /** The reference only once it was sent and no answer came: a duplicated tab must not inherit it for another sale. */
  #keep() {
    const patient = this.patients?.patient;
    const isBlank = this.cart.isEmpty && !patient;
    keepDraft(this.userId, isBlank ? null : { client_ref: this.isOutcomeUnknown ? this.reference : null, patient, items: this.cart.items });
  }

  // ---- the quote ----

  #quoteSoon() {
    clearTimeout(this.#quoteTimer);
    this.#asking?.abort();
    if (this.cart.isEmpty) {
      this.#quoted = Promise.resolve();
      this.#showTotals({ total: 0, omset_bpjs: 0, omset_umum: 0 });
      return;
    }
    this.total = null;
    const asking = new AbortController();
    this.#asking = asking;
    this.#quoted = new Promise((done) => {
      // Superseded: whoever waits for this quote waits for the one that replaced it.
      asking.signal.addEventListener("abort", () => queueMicrotask(() => done(this.#quoted)));
      this.#quoteTimer = setTimeout(async () => {
        const answer = await quote(this.#order(), asking.signal);
        if (asking.signal.aborted) return;
        if (answer.error) {
          const isNews = !this.#isPriceless; // said once, not at every try
          this.#showNoTotals();
          if (isNews) this.#refused(answer.error);
          if (!(answer.status < 500)) this.#quoteTimer = setTimeout(() => this.#quoteSoon(), QUOTE_AGAIN_MS);
        } else {
          if (this.#isPriceless) this.#pricesAreBack();
          for (const line of answer.lines) if (!this.#live.has(keyOf(line))) this.#live.set(keyOf(line), this.#stockInQuote(line));
          this.cart.showQuote(answer.lines, this.patients?.patient?.id ?? null);
          this.#showTotals(answer);
        }
        done();
      }, QUOTE_PAUSE_MS);
    });
  }

  #pricesAreBack() {
    this.#isPriceless = false;
    clearRefusal(this.payment.form);
    if (this.isOutcomeUnknown && !this.#isSaving) showRefusal(this.payment.form, { message: LOST_SALE });
  }

  /** What stood there was for another cart, or of another hour. */
  #showNoTotals() {
    this.#isPriceless = true;
    for (const place of document.querySelectorAll("[data-total], [data-omset-bpjs], [data-omset-umum]")) setText(place, "…");
    for (const place of document.querySelectorAll("[data-pay-summary]")) setText(place, `${this.cart.pieces} barang`);
    this.payment.setDue(null);
  }

  #showTotals(answer) {
    this.total = answer;
    this.#told = { order: JSON.stringify(this.#order()), omset_umum: answer.omset_umum };
    const { total, omset_bpjs, omset_umum } = answer;
    const service = this.patients?.patient?.service_type ?? "BPJS";
    setText(this.main.querySelector("[data-total]"), rupiah(total));
    this.main.querySelector("[data-bpjs-line]").hidden = omset_bpjs === 0;
    setText(this.main.querySelector("[data-bpjs-name]"), service);
    setText(this.main.querySelector("[data-omset-bpjs]"), rupiah(omset_bpjs));
    for (const due of document.querySelectorAll("[data-omset-umum]")) setText(due, rupiah(omset_umum));
    const summary = [`${this.cart.pieces} barang`, omset_bpjs ? `${service} ${rupiah(omset_bpjs)}` : ""].filter(Boolean).join(" · ");
    for (const place of document.querySelectorAll("[data-pay-summary]")) setText(place, summary);
    this.payment.setDue(omset_umum);
  }

  // ---- stock of a line ----

  #stockOf(key, quoted) {
    const product = this.picker?.product(key);
    if (product?.is_custom_order) return Infinity;
    return this.#live.get(key) ?? product?.stok ?? (quoted ? this.#stockInQuote(quoted) : Infinity);
  }

  #stockInQuote(line) {
    const product = this.picker.product(keyOf(line));
    return product?.is_custom_order || line.is_custom_order ? Infinity : line.stok ?? Infinity;
  }

  #setSaving(isSaving) {
    this.#isSaving = isSaving;
    this.payment.form.setAttribute("aria-busy", String(isSaving));
    this.main.querySelector("[data-save]").setAttribute("aria-disabled", String(isSaving));
  }
}
