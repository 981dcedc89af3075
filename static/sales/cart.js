// The cart: what is sold and how many. Prices come from the server's quote, never from here. Where the stock has fallen below
// the cart, the line says so and offers what is left.

import { grouped, rupiah } from "../live/format.js";
import { setText } from "../live/mark.js";

export class Cart {
  #lines = new Map(); // key → {item, row, quoted}

  /**
   * changed(): items or quantities did. stockOf(key): what is left, or Infinity where stock does not matter. leave(): Enter in
   * a quantity, back to what comes next.
   */
  constructor(till, { changed, stockOf, leave }) {
    this.till = till;
    this.changed = changed;
    this.leave = leave;
    this.stockOf = stockOf;
    this.list = till.querySelector("[data-cart]");
    this.template = till.querySelector("[data-line-template]");
    this.last = null; // the line that + and − mean
    this.undo = till.querySelector("[data-cart-undo]");
    till.querySelector("[data-cart-clear]").addEventListener("click", () => this.clear());
    this.undo.querySelector("[data-cart-undo-button]").addEventListener("click", () => this.#takeBack());
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.list.addEventListener("input", (event) => {
      const line = this.#lineOf(event.target);
      if (line && event.target.matches("[data-line-quantity]")) line.isTyped = true;
    });
    this.list.addEventListener("change", (event) => event.target.matches("[data-line-quantity]") && this.#typed(event.target));
    this.list.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("[data-line-quantity]")) return;
      event.preventDefault();
      this.commit();
      this.leave();
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
    this.undo.hidden = true; // the cart goes on: what was thrown out stays out
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

  /** A quantity that is still being typed counts, whoever asks for the cart now. */
  commit() {
    const field = document.activeElement;
    if (field?.matches("[data-line-quantity]") && this.#lineOf(field)?.isTyped) this.#typed(field);
  }

  /** + and − without leaving the scan field. */
  nudge(by) {
    const line = this.#lines.get(this.last);
    if (line) this.set(this.last, line.item.quantity + by);
  }

  /** Empties it; one press brings it all back. */
  clear() {
    const gone = this.items;
    this.#lines.clear();
    this.list.replaceChildren();
    this.last = null;
    this.#changed();
    this.#offerBack(gone, "Keranjang dikosongkan.");
    this.undo.querySelector("button").focus();
  }

  #offerBack(items, text) {
    this.thrownOut = items;
    setText(this.undo.querySelector("[data-cart-undo-text]"), text);
    this.undo.hidden = false;
  }

  #takeBack() {
    for (const item of this.thrownOut) this.add(`${item.product_type}:${item.product_id}`, { ...item, product_name: item.nama }, item.quantity);
    this.leave(); // the button is hidden now
  }

  /**
   * The server's prices for the lines; a line it does not speak of waits. Another price for the same patient (`payer`) is said
   * at the line: they may have heard the old one.
   */
  showQuote(lines, payer) {
    for (const quoted of lines) {
      const line = this.#lines.get(`${quoted.product_type}:${quoted.product_id}`);
      if (!line) continue;
      const told = line.payer === payer ? line.told ?? line.quoted?.price : undefined;
      line.told = told !== undefined && told !== quoted.price ? told : undefined;
      line.quoted = quoted;
      line.payer = payer;
    }
    this.show();
  }

  /** The patient has heard the prices that stand here now. */
  priceIsKnown(key) {
    const line = this.#lines.get(key);
    if (line) delete line.told;
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
    const line = this.#lines.get(key);
    // what is being typed stays, whatever happens meanwhile
    if (!line.isTyped) row.querySelector("[data-line-quantity]").value = String(item.quantity);
    const isPriced = quoted?.quantity === item.quantity;
    setText(row.querySelector("[data-line-subtotal]"), isPriced ? rupiah(quoted.subtotal) : "…");
    row.querySelector("[data-line-upgrade]").hidden = !(isPriced && quoted.naik_kelas);
    setText(row.querySelector("[data-line-detail]"), isPriced ? detail(quoted) : "");
    this.#writeNote(line, this.stockOf(key, quoted), refusal);
  }

  #writeNote(line, left, refusal) {
    const { row, item, told, quoted } = line;
    const note = row.querySelector("[data-line-note]");
    const isShort = left < item.quantity;
    const isDearer = told !== undefined && quoted ? `Harga sekarang ${rupiah(quoted.price)}, tadi ${rupiah(told)}.` : "";
    note.hidden = !isShort && !refusal && !isDearer;
    if (isShort && !line.isShort) this.#showLine(row);
    line.isShort = isShort;
    if (note.hidden) return;
    setText(note.querySelector("[data-line-note-text]"),
      isShort ? `Stok tinggal ${left}, di keranjang ${item.quantity}.` : isDearer || refusal);
    const fix = note.querySelector("[data-line-fix]");
    fix.hidden = !isShort && !isDearer;
    fix.dataset.lineFix = isShort ? String(left) : "price";
    setText(fix, !isShort ? "Sudah diberi tahu" : left > 0 ? `Jadikan ${left}` : "Keluarkan");
  }

  /** A line that asks for attention: brought into view inside the list, unless somebody is at work in it. */
  #showLine(row) {
    if (!this.list.contains(document.activeElement) || document.activeElement === this.list) this.#bringIntoView(row);
  }

  #lineOf(element) {
    return this.#lines.get(element.closest(".cart-line")?.dataset.key);
  }

  #typed(field) {
    const line = this.#lineOf(field);
    if (!line) return;
    delete line.isTyped;
    const typed = Number.parseInt(field.value, 10);
    if (Number.isNaN(typed)) this.show(); // nothing was said: it stays as many as it was
    else this.set(line.row.dataset.key, typed);
  }

  #clicked(event) {
    const row = event.target.closest(".cart-line");
    const line = this.#lines.get(row?.dataset.key);
    if (!line) return;
    const key = row.dataset.key;
    if (event.target.closest("[data-line-less]")) this.set(key, line.item.quantity - 1);
    else if (event.target.closest("[data-line-more]")) this.set(key, line.item.quantity + 1);
    else if (event.target.closest("[data-line-fix]")) this.#fix(key, event.target.closest("[data-line-fix]"));
  }

  #fix(key, button) {
    const hadFocus = button === document.activeElement;
    if (button.dataset.lineFix === "price") {
      this.priceIsKnown(key);
      this.show();
    } else {
      this.set(key, Number(button.dataset.lineFix));
    }
    if (hadFocus && button.isConnected) this.leave(); // the button is hidden now
  }

  #remove(key) {
    const { row, item } = this.#lines.get(key);
    const hadFocus = row.contains(document.activeElement);
    this.#lines.delete(key);
    row.remove();
    if (this.last === key) this.last = [...this.#lines.keys()].pop() ?? null;
    if (hadFocus) (this.isEmpty ? this.till.querySelector("#cari") : this.list).focus();
    this.#changed();
    this.#offerBack([item], `${item.nama} dikeluarkan.`);
  }

  #touched(key) {
    const line = this.#lines.get(key);
    delete line.refusal;
    delete line.isTyped;
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
