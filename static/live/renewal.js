// When the page itself is no longer the right one: the server could not resume its cursor (reset), the session ended, or
// another tab signed in as someone else. Whoever is typing is asked; everyone else is brought up to date.

const USER_KEY = "melati:user";
const RELOAD_KEY = "melati:reloaded-at";
const RELOAD_EVERY_MS = 30_000; // a server that resets at every turn must not spin the page

export function bindRenewal(manager, userId) {
  manager.onReset(() => {
    if (document.querySelector("[data-sale]")) return; // the sales page asks for its products again by itself
    renew("Ada data baru.", "Muat ulang", () => location.reload());
  });
  manager.onSignedOut(() => renew("Sesi Anda sudah berakhir.", "Masuk lagi", () => location.assign("/login?sesi=berakhir")));

  manager.onCrowded(() => showBar("Akun ini sedang dibuka di terlalu banyak perangkat. Tutup yang tidak dipakai.", "Coba lagi", () => {
    document.querySelector("[data-renewal]")?.remove();
    manager.retry();
  }));

  const changed = () => renew("Ada yang masuk dengan akun lain di tab lain.", "Muat ulang", () => location.reload());
  try {
    localStorage.setItem(USER_KEY, userId);
  } catch {
    return; // no storage, no tidings from other tabs
  }
  addEventListener("storage", (event) => {
    if (event.key === USER_KEY && event.newValue && event.newValue !== userId) changed();
  });
}

function renew(message, label, act) {
  if (isBusy() || justReloaded()) {
    showBar(message, label, act);
    return;
  }
  act();
}

/** Somebody is in the middle of something that a reload would throw away. */
function isBusy() {
  const field = document.activeElement;
  return Boolean(document.querySelector("[data-sale], form[data-dirty]"))
    || Boolean(field?.matches("input, textarea, select, [contenteditable]"));
}

function justReloaded() {
  const now = Date.now();
  const last = Number(sessionStorage.getItem(RELOAD_KEY)) || 0;
  if (now - last < RELOAD_EVERY_MS) return true;
  sessionStorage.setItem(RELOAD_KEY, String(now));
  return false;
}

function showBar(message, label, act) {
  document.querySelector("[data-renewal]")?.remove();
  const bar = document.createElement("div");
  bar.className = "banner";
  bar.dataset.renewal = "";
  bar.setAttribute("role", "status");
  const text = document.createElement("p");
  text.textContent = message;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-quiet push";
  button.textContent = label;
  button.addEventListener("click", act);
  bar.append(text, button);
  document.querySelector("main")?.before(bar);
}

/** A form that was typed into is dirty until it is sent. */
export function bindDirty() {
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (form && form.method === "post") form.dataset.dirty = "";
  });
  document.addEventListener("reset", (event) => delete event.target.dataset.dirty);
  document.addEventListener("submit", (event) => delete event.target.dataset.dirty);
}
