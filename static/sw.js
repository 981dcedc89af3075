// The service worker. It shows notifications of the operating system and leads from them to the page; and it has one page for
// when no other can be loaded (offline.html), which says so and comes back by itself. It keeps nothing else: what is on
// the screens comes from the server, and nothing of a patient lies on a tablet's disk.

const KEPT = "melati-luring";
const PAGE = "/assets/offline.html?luring";
/** All that the page needs. Only it asks for them so: others' pages get theirs from the network, past this worker. */
const PARTS = ["/assets/app.css?luring", "/assets/icons.svg?luring", "/assets/offline.js?luring"];

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(begin()));

/** At each new version of this file, which changes with the parts (static/build.mjs). */
async function keep() {
  const kept = await caches.open(KEPT);
  await kept.addAll([PAGE, ...PARTS].map((part) => new Request(part, { cache: "no-cache" })));
}

async function begin() {
  // the page is asked for while this worker still wakes up: it costs nobody time
  await self.registration.navigationPreload?.enable();
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname, search } = new URL(request.url);
  if (origin !== self.location.origin || request.method !== "GET") return; // what is posted twice is another matter
  if (request.mode === "navigate") event.respondWith(load(event));
  else if (PARTS.includes(pathname + search)) event.respondWith(fromKept(pathname + search).then((part) => part ?? fetch(request)));
});

const fromKept = async (part) => (await caches.open(KEPT)).match(part);

async function load({ request, preloadResponse }) {
  try {
    const answer = (await preloadResponse) ?? (await fetch(request));
    return isAway(answer) ? ((await fromKept(PAGE)) ?? answer) : answer;
  } catch (error) {
    const page = await fromKept(PAGE);
    if (!page) throw error;
    return page;
  }
}

/** A proxy that speaks for a server which is not there. What we answer ourselves has a number. */
const isAway = ({ status, headers }) => [502, 503, 504].includes(status) && !headers.has("x-request-id");

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
