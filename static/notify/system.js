// Notifications of the operating system, for when nobody looks at a tab of ours. Shown by the service worker (/sw.js), because
// phones know no other way. The leading tab asks it; it alone knows whether any tab is seen, and then shows nothing.

import { register } from "./worker.js";
import { written } from "./words.js";

const KEY = "melati:kabar-sistem";

/** "unsupported", "denied", "ask" or "allowed". */
export function standing() {
  if (!isSecureContext || !("serviceWorker" in navigator) || !("Notification" in window)) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && wish() !== "off" ? "allowed" : "ask";
}

function wish() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Only ever from a press: browsers punish a page that asks by itself, and so do people. */
export async function allow() {
  if ((await Notification.requestPermission()) === "granted") {
    localStorage.setItem(KEY, "on");
    await register();
  }
}

export function stop() {
  localStorage.setItem(KEY, "off");
}

export async function show(notice, href) {
  if (standing() !== "allowed") return;
  try {
    await register();
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage({ ...written(notice), tag: `melati-${notice.id}`, href });
  } catch (error) {
    console.info("no service worker, no notification:", error.message); // private windows have none
  }
}
