// The page /penjualan/create: a patient, a cart, a payment, one press. The server computes every price and decides whether the
// sale can be; the page keeps what was typed until the server has said yes.

import { clearRefusal, showRefusal } from "../forms/enhance.js";
import { rupiah } from "../live/format.js";
import { setText } from "../live/mark.js";
import { newReference, quote, sell } from "./api.js";
import { Cart } from "./cart.js";
import { keepDraft, readDraft } from "./draft.js";
import { PatientPicker } from "./patient.js";
import { Payment } from "./payment.js";
import { keyOf, Picker } from "./picker.js";
import { bindScanner } from "./scanner.js";

const QUOTE_PAUSE_MS = 60;

export function openTill(main, manager) {
  const till = new Till(main);
  manager.connectStockUpdates({ onData: (message) => till.stockChanged(message.updates) });
  manager.onReset(() => till.startOver());
}

class Till {
  #quoteTimer = 0;
  #asking = null;        // the AbortController of the quote under way
  #quoted = null;        // resolves when the newest quote is here
  #isSaving = false;
  #isSold = false;
  #live = new Map();     // key → stock as last heard, for lines whose product the picker has not seen

  constructor(main) {
    this.main = main;
    this.draftKey = `melati:sale:${document.body.dataset.userId}`;
    const draft = readDraft(this.draftKey);
    this.reference = draft?.client_ref ?? newReference();
    this.isOutcomeUnknown = Boolean(draft?.client_ref);
    this.total = null;

    this.payment = new Payment(main);
    this.cart = new Cart(main, { changed: () => this.#changed(), stockOf: (key, quoted) => this.#stockOf(key, quoted) });
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

    bindScanner((code, field, whole) => this.picker.scan(code, field === this.picker.field ? whole.trim() : code));
    document.addEventListener("keydown", (event) => this.#key(event));
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
      await this.#quoted;
      if (!this.total) {
        showRefusal(form, { message: "Harga belum bisa dihitung. Coba lagi sebentar." });
        return;
      }
      const paid = this.payment.read();
      if (paid.fields) {
        showRefusal(form, { fields: paid.fields });
        return;
      }
      this.isOutcomeUnknown = true;
      this.#keep();
      const answer = await sell({ client_ref: this.reference, ...this.#order(), ...paid });
      if (answer.status < 500) this.isOutcomeUnknown = false;
      if (answer.error) this.#refused(answer.error);
      else this.#sold(answer);
    } finally {
      if (!this.#isSold) this.#setSaving(false);
    }
  }

  #sold({ redirect }) {
    this.#isSold = true; // the next page is on its way: another press sends nothing
    keepDraft(this.draftKey, null);
    // "Back" may bring this page again as it was, with a cart that is sold.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    location.assign(redirect);
  }

  #refused(error) {
    clearRefusal(this.payment.form);
    const byProduct = Object.fromEntries(Object.entries(error.fields ?? {}).filter(([name]) => name.includes(":")));
    const byField = Object.fromEntries(Object.entries(error.fields ?? {}).filter(([name]) => !name.includes(":")));
    const homeless = this.cart.showRefusals(byProduct);
    if (byField.pasien_id) this.patients.ask(byField.pasien_id);
    showRefusal(this.payment.form, { message: [error.message, ...homeless].join(" "), fields: byField });
    if (error.code === "stock") this.#quoteSoon(); // the quote knows what is left
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
    this.#keep();
    this.#quoteSoon();
  }

  /** The reference only once it was sent and no answer came: a duplicated tab must not inherit it for another sale. */
  #keep() {
    const patient = this.patients?.patient;
    const isBlank = this.cart.isEmpty && !patient;
    keepDraft(this.draftKey, isBlank ? null : { client_ref: this.isOutcomeUnknown ? this.reference : null, patient, items: this.cart.items });
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
          this.#refused(answer.error);
        } else {
          for (const line of answer.lines) if (!this.#live.has(keyOf(line))) this.#live.set(keyOf(line), this.#stockInQuote(line));
          this.cart.showQuote(answer.lines);
          this.#showTotals(answer);
        }
        done();
      }, QUOTE_PAUSE_MS);
    });
  }

  #showTotals(answer) {
    this.total = answer;
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

  // ---- keys ----

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const field = this.picker.field;
    const inField = event.target.matches?.("input, textarea, select");
    const isFree = !inField || (event.target === field && field.value === "");
    const act = {
      F2: () => { field.focus(); field.select(); },
      F4: () => this.patients.change(),
      F8: () => this.payment.focus(),
      F9: () => this.save(),
      "+": isFree && (() => this.cart.nudge(1)),
      "-": isFree && (() => this.cart.nudge(-1)),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #setSaving(isSaving) {
    this.#isSaving = isSaving;
    this.payment.form.setAttribute("aria-busy", String(isSaving));
    this.main.querySelector("[data-save]").setAttribute("aria-disabled", String(isSaving));
  }
}
