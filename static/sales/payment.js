// How it is paid: cash with its change, transfer, QRIS; all of it or a part (DP). What is due comes from the server's quote; here
// is only told apart what is handed over now and what is left.

import { grouped, parseRupiah, rupiah } from "../live/format.js";
import { setText } from "../live/mark.js";

const METHODS = ["tunai", "transfer", "qris"];
const NOTES = [5_000, 10_000, 20_000, 50_000, 100_000];
const QUICK = 3;

export class Payment {
  constructor(till) {
    this.form = till.querySelector("[data-pay]");
    this.due = 0;
    this.form.addEventListener("input", (event) => {
      if (event.target.matches("[data-money]")) writeThousands(event.target);
      this.show();
    });
    this.form.addEventListener("change", () => this.show());
    this.form.addEventListener("click", (event) => {
      const quick = event.target.closest("[data-quick]");
      if (!quick) return;
      this.form.elements.diterima.value = quick.dataset.quick;
      this.show();
    });
    this.show();
  }

  /** What the patient owes, from the server's quote; null while nobody knows. */
  setDue(due) {
    this.due = due;
    this.show();
  }

  focus() {
    const { dp, jumlah, diterima } = this.form.elements;
    const field = dp.checked ? jumlah : this.#method === "tunai" ? diterima : this.form.querySelector("[data-save]");
    field.focus();
    field.select?.();
  }

  /** The next way of paying, without the mouse. */
  nextMethod() {
    const next = METHODS[(METHODS.indexOf(this.#method) + 1) % METHODS.length];
    this.form.querySelector(`[name=metode][value=${next}]`).checked = true;
    this.show();
    this.focus();
  }

  togglePart() {
    this.form.elements.dp.checked = !this.form.elements.dp.checked;
    this.show();
    this.focus();
  }

  /** {metode, jumlah, diterima}, or {fields} with what is wrong. */
  read() {
    const { jumlah, diterima, dp } = this.form.elements;
    const now = dp.checked ? parseRupiah(jumlah.value) : this.due;
    if (!Number.isFinite(now)) return { fields: { jumlah: "Tulis angka saja, misalnya 200.000." } };
    if (dp.checked && now > this.due) return { fields: { jumlah: `Lebih dari yang harus dibayar, ${rupiah(this.due)}.` } };
    if (this.#method !== "tunai") return { metode: this.#method, jumlah: now, diterima: now };

    const handed = diterima.value.trim() ? parseRupiah(diterima.value) : now; // left empty: exact money
    if (!Number.isFinite(handed)) return { fields: { diterima: "Tulis angka saja, misalnya 500.000." } };
    if (handed < now) return { fields: { diterima: `Kurang ${rupiah(now - handed)}. Pilih DP kalau sisanya dibayar nanti.` } };
    return { metode: "tunai", jumlah: now, diterima: handed };
  }

  show() {
    const method = this.#method;
    const isPart = this.form.elements.dp.checked;
    const paid = this.read();
    const now = paid.fields ? null : paid.jumlah;
    this.#part("[data-cash-only]").hidden = method !== "tunai";
    this.#part("[data-dp-only]").hidden = !isPart;
    setText(this.#part("[data-change]"), paid.fields ? "…" : rupiah(paid.diterima - paid.jumlah));
    setText(this.#part("[data-rest]"), now === null ? "…" : rupiah(this.due - now));
    const asked = now === null ? "jumlahnya" : rupiah(now);
    this.#part("[data-cashless]").hidden = method === "tunai";
    setText(this.#part("[data-cashless-text]"), method === "qris"
      ? `Pasien memindai QRIS di meja dan membayar ${asked}. Simpan setelah bukti bayarnya Anda lihat.`
      : `Pasien mentransfer ${asked} ke rekening cabang. Simpan setelah dananya masuk.`);
    this.#showQuick(isPart ? parseRupiah(this.form.elements.jumlah.value) : this.due);
  }

  /** What is handed over most often: the exact amount, and what the next notes make of it. */
  #showQuick(amount) {
    const place = this.#part("[data-quick-amounts]");
    const amounts = amount > 0 ? quickAmounts(amount) : [];
    place.hidden = amounts.length === 0;
    const wanted = amounts.map((each, index) => ({ value: grouped(each), label: index ? grouped(each) : "Uang pas" }));
    const buttons = [...place.querySelectorAll("[data-quick]")];
    // The same buttons stay, so that the one that has the focus keeps it.
    wanted.forEach(({ value, label }, index) => {
      const button = buttons[index] ?? place.appendChild(makeButton());
      button.dataset.quick = value;
      button.hidden = false;
      setText(button, label);
    });
    buttons.slice(wanted.length).forEach((button) => (button.hidden = true));
  }

  #part(selector) {
    return this.form.querySelector(selector);
  }

  get #method() {
    return this.form.elements.metode.value;
  }
}

function makeButton() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-quiet";
  return button;
}

/** 465.000: exactly, 470.000, 500.000. */
function quickAmounts(amount) {
  const rounded = [...new Set(NOTES.map((note) => Math.ceil(amount / note) * note))].filter((each) => each > amount);
  return [amount, ...rounded.slice(1 - QUICK)];
}

/** Dots between thousands while typing; the caret keeps its place among the digits. */
function writeThousands(field) {
  const amount = parseRupiah(field.value);
  if (!Number.isFinite(amount) || field.value.trim() === "") return;
  const digitsAfter = field.value.slice(field.selectionEnd).replace(/\D/g, "").length;
  field.value = grouped(amount);
  if (field !== document.activeElement) return;
  let caret = field.value.length;
  for (let left = digitsAfter; left > 0 && caret > 0; caret -= 1) if (/\d/.test(field.value[caret - 1])) left -= 1;
  field.setSelectionRange(caret, caret);
}
