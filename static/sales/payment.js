// How it is paid: cash with its change, transfer, QRIS; all of it or a part (DP).

import { grouped, parseRupiah, rupiah } from "../live/format.js";
import { setText } from "../live/mark.js";

export class Payment {
  constructor(till) {
    this.form = till.querySelector("[data-pay]");
    this.due = 0;
    this.form.addEventListener("input", (event) => {
      if (event.target.matches("[data-money]")) writeThousands(event.target);
      this.show();
    });
    this.form.addEventListener("change", () => this.show());
    this.show();
  }

  /** What the patient owes, from the server's quote. */
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
    const isCash = this.#method === "tunai";
    const isPart = this.form.elements.dp.checked;
    this.form.querySelector("[data-cash-only]").hidden = !isCash;
    this.form.querySelector("[data-dp-only]").hidden = !isPart;
    const paid = this.read();
    setText(this.form.querySelector("[data-change]"), paid.fields ? "…" : rupiah(paid.diterima - paid.jumlah));
  }

  get #method() {
    return this.form.elements.metode.value;
  }
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
