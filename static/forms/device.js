// What is chosen for this device alone, on the account page: a switch [data-switch="…"], on until somebody turns it off.
//   single-keys   shortcuts of a single character (P, +, -, ?): who dictates, or whose hand slips, sets them off unawares
//   auto-print    a sale that is saved prints its receipt

const keyOf = (name) => `melati:${name}`;

export function isOn(name) {
  try {
    return localStorage.getItem(keyOf(name)) !== "off";
  } catch {
    return true; // no storage: nobody could turn it off
  }
}

export function bindSwitches() {
  for (const box of document.querySelectorAll("[data-switch]")) {
    const key = keyOf(box.dataset.switch);
    box.checked = isOn(box.dataset.switch);
    box.addEventListener("change", () => {
      try {
        if (box.checked) localStorage.removeItem(key);
        else localStorage.setItem(key, "off");
      } catch {
        box.checked = true;
      }
    });
  }
}
