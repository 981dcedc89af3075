// Finding a product: typed, filtered by kind, or scanned. Its stock is live; live data never re-sorts the list.

import { clockTime, rupiah } from "../live/format.js";
import { setIcon, setText } from "../live/mark.js";
import { writeStock } from "../live/stock.js";
import { findProducts } from "./api.js";
import { debounced, Options } from "./options.js";

const PAUSE_MS = 120;
const KEPT_MS = 30_000; // results are asked for again after this; their stock is kept fresh meanwhile
const ICONS = { Frame: "glasses", Lensa: "lens", Aksesoris: "tag" };

export const keyOf = (product) => `${product.product_type}:${product.product_id}`;
export const isSoldOut = (product) => !product.is_custom_order && product.stok <= 0;

export class Picker {
  #products = new Map();   // key → what is known of it, live
  #results = new Map();    // query → {at, keys}
  #wanted = "";            // the query that the field asks for
  #shown = null;           // the query whose results are on screen
  #jenis = "";

  /** add(product): the cashier took one. patientService(): the patient's class, or null. */
  constructor(till, { add, patientService }) {
    this.till = till;
    this.add = add;
    this.patientService = patientService;
    this.field = till.querySelector("#cari");
    this.template = till.querySelector("[data-pick-template]");
    this.refusal = till.querySelector("[data-pick-refusal]");
    this.options = new Options(this.field, till.querySelector("#hasil"), { take: (row) => this.#take(row) });

    const search = debounced(PAUSE_MS, () => this.search());
    this.field.addEventListener("input", () => {
      this.#refuse("");
      search();
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.#enter();
      } else if (event.key === "Escape" && this.field.value) {
        this.field.value = "";
        this.search();
      }
    });
    till.querySelector("[data-kinds]").addEventListener("click", (event) => {
      const button = event.target.closest("[data-jenis]");
      if (!button) return;
      for (const other of till.querySelectorAll("[data-jenis]")) other.setAttribute("aria-pressed", String(other === button));
      this.#jenis = button.dataset.jenis;
      this.search();
    });
    this.search();
  }

  focus() {
    this.field.focus();
    this.field.select();
  }

  product(key) {
    return this.#products.get(key);
  }

  /** What the field says, shown. Also again after the patient changed, because "Naik Kelas" depends on them. */
  async search() {
    const cari = this.field.value.trim();
    const query = this.#query(cari);
    this.#wanted = query;
    const keys = await this.#find(query, cari);
    if (this.#wanted !== query || !keys) return;
    this.#show(keys, cari);
    this.#shown = query;
  }

  #query(cari) {
    return `${this.#jenis}|${cari.toLowerCase()}`;
  }

  /**
   * A code from the scanner: added at once, or looked for by hand. Scanned into the search field, `whole` is all it said:
   * a hiccup may have made the code's beginning look typed, or something typed before may stand in front of it.
   */
  async scan(code, whole) {
    const product = (await this.#byCode(whole)) ?? (whole === code ? null : await this.#byCode(code));
    if (product) {
      this.#tryAdd(product);
      return;
    }
    this.field.value = whole;
    this.#refuse(`Kode ${whole} tidak ketemu.`);
    this.search();
  }

  forgetResults() {
    this.#results.clear();
    this.search();
  }

  /** From the stock stream. Returns the product if its price changed, because then a quote is old. */
  update(update) {
    const product = this.#products.get(keyOf(update));
    if (!product) return null;
    const priceChanged = !update.deleted && update.price !== product.price;
    if (update.deleted) Object.assign(product, { stok: 0, is_custom_order: false, alert_level: "low" });
    else Object.assign(product, { stok: update.new_stock, alert_level: update.alert_level, price: update.price });
    if (isSoldOut(product)) product.soldOutAt ??= Date.now();
    else delete product.soldOutAt;
    const row = this.options.list.querySelector(`[data-product="${keyOf(product)}"]`);
    if (row) this.#writeState(row, product);
    return priceChanged ? product : null;
  }

  /** A hand is faster than a search: never what stood first for what was typed before. */
  async #enter() {
    const cari = this.field.value.trim();
    if (this.#shown !== this.#query(cari)) await this.search();
    const exact = [...this.#products.values()].find((product) => product.kode.toLowerCase() === cari.toLowerCase());
    if (exact) this.#tryAdd(exact);
    else if (cari && this.#shown === this.#query(cari) && this.options.chosen) this.#take(this.options.chosen);
  }

  #take(row) {
    this.#tryAdd(this.#products.get(row.dataset.product));
  }

  #tryAdd(product) {
    if (isSoldOut(product)) {
      this.#refuse(`${product.product_name} sudah habis.`);
      return;
    }
    this.#refuse("");
    this.add(product);
    if (this.field === document.activeElement) this.field.select(); // the next search types over this one
  }

  #refuse(message) {
    this.refusal.textContent = message;
    this.refusal.hidden = !message;
  }

  async #byCode(code) {
    const isIt = (product) => product.kode.toLowerCase() === code.toLowerCase();
    const known = [...this.#products.values()].find(isIt);
    if (known) return known;
    const answer = await findProducts(code, "");
    if (answer.error) return null;
    this.#remember(answer.products);
    return [...this.#products.values()].find(isIt) ?? null;
  }

  async #find(query, cari) {
    const kept = this.#results.get(query);
    if (kept && Date.now() - kept.at < KEPT_MS) return kept.keys;
    const answer = await findProducts(cari, this.#jenis);
    if (answer.error) {
      if (this.#wanted === query) this.#refuse(answer.error.message);
      return kept?.keys ?? null;
    }
    const keys = this.#remember(answer.products);
    this.#results.set(query, { at: Date.now(), keys });
    return keys;
  }

  #remember(products) {
    for (const product of products) this.#products.set(keyOf(product), { ...this.#products.get(keyOf(product)), ...product });
    return products.map(keyOf);
  }

  #show(keys, cari) {
    this.options.show(keys.map((key) => this.#makeRow(this.#products.get(key), cari)));
    setText(this.till.querySelector("[data-pick-count]"), keys.length ? `${keys.length} barang, ` : "");
    const empty = this.till.querySelector("[data-pick-empty]");
    empty.hidden = keys.length > 0;
    setText(this.till.querySelector("[data-pick-empty-title]"), cari ? `Tidak ada “${cari}”` : "Belum ada barang");
  }

  #makeRow(product, cari) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.dataset.key = keyOf(product);
    row.dataset.product = keyOf(product); // live/stock.js keeps its chip and price
    setIcon(row.querySelector("use"), ICONS[product.product_type]);
    markMatch(row.querySelector(".name"), product.product_name, cari);
    row.querySelector(".code").textContent = product.kode;
    row.querySelector("[data-price]").textContent = rupiah(product.price);
    writeStock(row.querySelector(".stock"), product.stok, product.is_custom_order ? "normal" : product.alert_level);
    this.#writeState(row, product);
    return row;
  }

  #writeState(row, product) {
    const soldOut = isSoldOut(product);
    if (soldOut) row.setAttribute("aria-disabled", "true");
    else row.removeAttribute("aria-disabled");
    setText(row.querySelector("[data-pick-note]"), this.#note(product, soldOut));
  }

  #note(product, soldOut) {
    if (soldOut) return product.soldOutAt ? ` · Habis ${clockTime(product.soldOutAt)}, terjual di kasir lain` : " · Habis";
    if (product.is_custom_order) return " · Dipesan khusus";
    const service = this.patientService();
    if (product.product_type !== "Frame" || !service?.startsWith("BPJS")) return "";
    return product.service_type === service ? ` · Ditanggung ${service}` : " · Naik Kelas";
  }
}

/** The name with what was typed marked in it, as elements. */
function markMatch(element, name, cari) {
  const at = cari ? name.toLowerCase().indexOf(cari.toLowerCase()) : -1;
  if (at < 0) {
    element.textContent = name;
    return;
  }
  const mark = document.createElement("mark");
  mark.textContent = name.slice(at, at + cari.length);
  element.replaceChildren(name.slice(0, at), mark, name.slice(at + cari.length));
}
