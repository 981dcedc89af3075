// The till's keys. A tablet's browser keeps function keys for itself, and many keyboards have none: each has a second way with
// Alt (Option), by the letter's place, since Option writes other signs. "?" or the button [data-keys-open] shows them all.

import { isOn } from "../forms/device.js";

const WAYS = {
  search: ["F2", "KeyC"],
  patient: ["F4", "KeyP"],
  method: ["F6", "KeyM"],
  part: ["F7", "KeyK"],
  pay: ["F8", "KeyB"],
  save: ["F9", "KeyS"],
};

export class Shortcuts {
  /** acts: {search, patient, method, part, pay, save, more, less}. isScanning(): these keys are a scanner's. */
  constructor(till, isScanning, acts) {
    this.till = till;
    this.isScanning = isScanning;
    this.acts = acts;
    this.sheet = till.querySelector("[data-keys]");
    till.querySelector("[data-keys-open]").addEventListener("click", () => this.#show());
    this.sheet.querySelector("[data-keys-close]").addEventListener("click", () => this.sheet.close());
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.isComposing || this.sheet.open) return;
    const act = this.#wanted(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #wanted(event) {
    const named = Object.entries(WAYS).find(([, [key, code]]) => (event.altKey ? event.code === code : event.key === key));
    if (named) return this.acts[named[0]];
    if (event.altKey || this.isScanning() || !isOn("single-keys")) return null;
    // A sign means something only where nothing is being typed.
    const field = this.till.querySelector("#cari");
    const isFree = !event.target.matches?.("input, textarea, select") || (event.target === field && field.value === "");
    if (!isFree) return null;
    return { "+": this.acts.more, "-": this.acts.less, "?": () => this.#show() }[event.key] ?? null;
  }

  #show() {
    this.sheet.showModal(); // Escape closes it, and the focus goes back to where it was
  }
}
