// The service worker (sw.js) is there from the first page on, for the page that says that the server is away.

export const register = () => navigator.serviceWorker.register("/sw.js");

/** Where there may be one: over TLS, or on the machine itself. Not while the page still loads, with which it would compete. */
export function bindWorker() {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  const begin = () => register().catch((error) => console.info("no service worker:", error.message)); // private windows have none
  if (document.readyState === "complete") begin();
  else addEventListener("load", begin, { once: true });
}
