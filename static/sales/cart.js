// The cart: what is sold and how many. Prices come from the server's quote, never from here. Where the stock has fallen below
// the cart, the line says so and offers what is left.

import { grouped, rupiah } from "../live/format.js";
import { setText } from "../live/mark.js";

export class Cart {
  #lines = new Map(); // key → {item, row, quoted}

  /** changed(): items or quantities did. stockOf(key): what is left, or Infinity where stock does not matter. */
  constructor(till, { changed, stockOf }) {
    this.till = till;
    this.changed = changed;
    this.stockOf = stockOf;
    this.list = till.querySelector("[data-cart]");
    this.template = till.querySelector("[data-line-template]");
    this.last = null; // the line that + and − mean
    till.querySelector("[data-cart-clear]").addEventListener("click", () => this.clear());
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.list.addEventListener("change", (event) => {
      const key = event.target.closest(".cart-line")?.dataset.key;
      if (key && event.target.matches("[data-line-quantity]")) this.set(key, Number.parseInt(event.target.value, 10) || 0);
    });
    this.list.addEventListener("focusin", (event) => (this.last = event.target.closest(".cart-line")?.dataset.key ?? this.last));
  }

  get items() {
    return [...this.#lines.values()].map(({ item }) => item);
  }

  get isEmpty() {
    return this.#lines.size === 0;
  }

  get pieces() {
    return this.items.reduce((sum, item) => sum + item.quantity, 0);
  }

  has(key) {
    return this.#lines.has(key);
  }

  add(key, { product_type, product_id, product_name }, quantity = 1) {
    const line = this.#lines.get(key);
    if (line) {
      this.set(key, line.item.quantity + quantity);
      return;
    }
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.dataset.key = key;
    setText(row.querySelector("[data-line-name]"), product_name);
    row.querySelector("[data-line-quantity]").setAttribute("aria-label", `Jumlah ${product_name}`);
    row.querySelector("[data-line-less]").setAttribute("aria-label", `Kurangi ${product_name}`);
    row.querySelector("[data-line-more]").setAttribute("aria-label", `Tambah ${product_name}`);
    this.#lines.set(key, { item: { product_type, product_id, nama: product_name, quantity }, row });
    this.list.append(row);
    this.#touched(key);
  }

  set(key, quantity) {
    const line = this.#lines.get(key);
    if (!line) return;
    if (quantity <= 0) {
      this.#remove(key);
      return;
    }
    line.item.quantity = Math.min(quantity, 999);
    this.#touched(key);
  }

  /** + and − without leaving the scan field. */
  nudge(by) {
    const line = this.#lines.get(this.last);
    if (line) this.set(this.last, line.item.quantity + by);
  }

  clear() {
    this.#lines.clear();
    this.list.replaceChildren();
    this.#changed();
  }

  /** The server's prices for the lines; a line it does not speak of waits. */
  showQuote(lines) {
    for (const quoted of lines) {
      const line = this.#lines.get(`${quoted.product_type}:${quoted.product_id}`);
      if (line) line.quoted = quoted;
    }
    this.show();
  }

  /** Refusals by product: {"Frame:12": "Sendja Oval tinggal 1"}. Returns those that no line here is about. */
  showRefusals(fields) {
    const homeless = [];
    for (const [key, message] of Object.entries(fields)) {
      const line = this.#lines.get(key);
      if (!line) {
        homeless.push(message);
        continue;
      }
      line.refusal = message;
      this.#bringIntoView(line.row);
    }
    this.show();
    return homeless;
  }

  show() {
    for (const [key, line] of this.#lines) this.#writeLine(key, line);
    setText(this.till.querySelector("[data-cart-count]"), String(this.#lines.size));
    this.till.querySelector("[data-cart-empty]").hidden = !this.isEmpty;
    this.till.querySelector("[data-cart-clear]").hidden = this.isEmpty;
    this.list.hidden = this.isEmpty;
  }

  #writeLine(key, { item, row, quoted, refusal }) {
    const quantity = row.querySelector("[data-line-quantity]");
    if (quantity !== document.activeElement || quantity.value !== "") quantity.value = String(item.quantity);
    const isPriced = quoted?.quantity === item.quantity;
    setText(row.querySelector("[data-line-subtotal]"), isPriced ? rupiah(quoted.subtotal) : "…");
    row.querySelector("[data-line-upgrade]").hidden = !(isPriced && quoted.naik_kelas);
    setText(row.querySelector("[data-line-detail]"), isPriced ? detail(quoted) : "");
    this.#writeNote(row, item, this.stockOf(key, quoted), refusal);
  }

  #writeNote(row, item, left, refusal) {
    const note = row.querySelector("[data-line-note]");
    const isShort = left < item.quantity;
    note.hidden = !isShort && !refusal;
    if (note.hidden) return;
    setText(note.querySelector("[data-line-note-text]"), isShort ? `Stok tinggal ${left}, di keranjang ${item.quantity}.` : refusal);
    const fix = note.querySelector("[data-line-fix]");
    fix.hidden = !isShort;
    fix.dataset.lineFix = String(left);
    setText(fix, left > 0 ? `Jadikan ${left}` : "Keluarkan");
  }

  #clicked(event) {
    const row = event.target.closest(".cart-line");
    const line = this.#lines.get(row?.dataset.key);
    if (!line) return;
    const key = row.dataset.key;
    if (event.target.closest("[data-line-less]")) this.set(key, line.item.quantity - 1);
    else if (event.target.closest("[data-line-more]")) this.set(key, line.item.quantity + 1);
    else if (event.target.closest("[data-line-fix]")) this.set(key, Number(event.target.closest("[data-line-fix]").dataset.lineFix));
  }

  #remove(key) {
    const { row } = this.#lines.get(key);
    const hadFocus = row.contains(document.activeElement);
    this.#lines.delete(key);
    row.remove();
    if (this.last === key) this.last = [...this.#lines.keys()].pop() ?? null;
    if (hadFocus) (this.isEmpty ? this.till.querySelector("#cari") : this.list).focus();
    this.#changed();
  }

  #touched(key) {
    const line = this.#lines.get(key);
    delete line.refusal;
    this.last = key;
    this.#changed();
    this.#bringIntoView(line.row);
  }

  #changed() {
    this.show();
    this.changed();
  }

  /** Within the cart only: the page itself never scrolls under the cashier. */
  #bringIntoView(row) {
    const list = this.list;
    if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
    const bottom = row.offsetTop + row.offsetHeight;
    if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  }
}

function detail({ quantity, price, price_bpjs, naik_kelas }) {
  const times = quantity > 1 ? `${quantity} × ${grouped(price)}` : "";
  if (!price_bpjs) return times;
  const shares = naik_kelas ? `BPJS ${grouped(price_bpjs)} + pasien ${grouped(price - price_bpjs)}` : "Ditanggung BPJS";
  return [times, shares].filter(Boolean).join(" · ");
}
