// A barcode scanner is a keyboard that types faster than any hand and ends with Enter. Wherever the focus is, its text is
// a code for the cart: taken back out of the field it landed in, and the focus stays.

const FAST_MS = 40;    // between two keys; a fast typist needs 60 and more
const SHORTEST = 4;

/**
 * onScan(code, field, whole): the field it landed in, if any, and what that field said with the code in it.
 * Returns isScanning(): whether the key that is just being pressed belongs to a burst, and so means no shortcut.
 */
export function bindScanner(onScan) {
  let burst = null; // {text, at, field, before}

  document.addEventListener("keydown", (event) => {
    const now = event.timeStamp; // when the key was pressed, however busy the page is
    if (event.key === "Enter") {
      const scanned = burst && burst.text.length >= SHORTEST && now - burst.at <= FAST_MS * 2 ? burst : null;
      burst = null;
      if (!scanned) return;
      event.preventDefault();
      event.stopPropagation();
      const whole = scanned.field?.value;
      if (scanned.field) {
        scanned.field.value = scanned.before;
        scanned.field.dispatchEvent(new Event("input", { bubbles: true }));
      }
      onScan(scanned.text, scanned.field, whole);
      return;
    }
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (burst && now - burst.at <= FAST_MS && burst.target === event.target) {
      burst.text += event.key;
      burst.at = now;
      return;
    }
    const field = event.target.matches("input, textarea") ? event.target : null;
    burst = { text: event.key, at: now, target: event.target, field, before: field?.value };
  }, true);

  return () => Boolean(burst) && burst.text.length > 1;
}
