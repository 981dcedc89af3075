// [data-print] prints the page, and on a receipt ([data-print="key"]) so does P where nothing is being typed; without JavaScript
// the browser's own menu does. A receipt that comes with #cetak prints by itself, once: reloading it, or coming back, does not.

import { isOn } from "./device.js";

export const PRINT_NOW = "#cetak";

export function bindPrint() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) print();
  });
  if (!document.querySelector("[data-print=key]")) return;
  document.addEventListener("keydown", (event) => {
    const isTyped = event.target.matches?.("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey;
    if (event.key.toLowerCase() === "p" && !isTyped && isOn("single-keys")) print();
  });
  if (location.hash !== PRINT_NOW) return;
  history.replaceState(null, "", location.pathname + location.search);
  if (document.readyState === "complete") print();
  else addEventListener("load", () => print(), { once: true });
}
