// The service worker: shows notifications of the operating system, and leads from them to the page. It keeps nothing and
// answers for no page: what is on the screens comes from the server, and nothing of a patient lies on a tablet's disk.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const windows = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });

self.addEventListener("message", (event) => event.waitUntil(show(event.data)));

/** {title, body, tag, href}: what the tab says, which holds no name. Whoever sees one of our tabs has been told there. */
async function show({ title, body, tag, href }) {
  if ((await windows()).some((client) => client.visibilityState === "visible")) return;
  await self.registration.showNotification(title, { body, tag, lang: "id", data: { href } });
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(goTo(event.notification.data?.href ?? "/notifikasi"));
});

/** The tab that shows it, if there is one. Another tab is not led away from what is being done in it. */
async function goTo(href) {
  const path = new URL(href, self.location.origin).pathname;
  const there = (await windows()).find((client) => new URL(client.url).pathname === path);
  if (there) await there.focus();
  else await self.clients.openWindow(href);
}
