// The server is away, or the shop's wifi: what one sees of a page that cannot be loaded, and how it comes back.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, Network, openWindow, signIn, until, untilStatus, untilText, violations, wearing } from "./lib.mjs";

let demo;
let browser;
let network;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  network = await Network.to(demo);
});
afterEach(async () => {
  network.restore();
  await closeWindows(browser);
});
after(async () => {
  await browser?.close();
  await network?.close();
  await demo?.stop();
});

/** Signed in over the wire that will be cut, with the service worker at its post. */
async function ready(options = {}) {
  const { context, page, failures } = await signIn(browser, network.url, "kasir1", { viewport: { width: 360, height: 760 }, ...options });
  await page.evaluate(() => navigator.serviceWorker.ready);
  await until(() => page.evaluate(() => Boolean(navigator.serviceWorker.controller)), "the worker to be in charge");
  return { context, page, failures };
}

const heading = (page, says) => untilText(page, "h1", says);
const AWAY = "Belum tersambung ke server";

test("a page that cannot be loaded says so in our own words and colours, and comes back by itself at its own address", async () => {
  const { page, failures } = await ready();
  await page.goto("/stok?jenis=lensa&level=low");
  await untilStatus(page, "live");
  network.cut();
  await untilStatus(page, "stale");
  const drawn = () => page.evaluate(() => [...document.querySelectorAll("[data-live] use, [data-banner] use")].map((use) => use.getBBox().width).filter(Boolean).length);
  await until(async () => (await drawn()) === 1, "the sign that the figures are old, which cannot be fetched any more");
  await page.waitForSelector("[data-banner]:visible");
  assert.equal(await drawn(), 2, "the banner's own sign, too");
  await page.reload();
  await heading(page, AWAY);
  assert.equal(await page.title(), "Terputus · Optik Melati");
  await untilText(page, ".number", /^Terputus sejak \d\d[.:]\d\d$/);
  assert.deepEqual(await violations(page), []);
  const [ours, wide] = await page.evaluate(() => [
    getComputedStyle(document.body).backgroundColor !== "rgba(0, 0, 0, 0)" && document.querySelector("[data-retry]").getBoundingClientRect().height >= 44,
    document.documentElement.scrollWidth > innerWidth,
  ]);
  assert.deepEqual([ours, wide], [true, false], "it wears our style sheet, and fits a phone");
  await page.click("[data-retry]");
  await untilText(page, "[data-said]", "Masih terputus. Kami coba terus.");
  await page.reload(); // impatience makes it no worse
  await heading(page, AWAY);

  network.restore();
  await heading(page, "Stok");
  await untilStatus(page, "live");
  assert.equal(new URL(page.url()).search, "?jenis=lensa&level=low");
  assert.deepEqual(failures, []);
});

test("a link that is followed while the server is away leads there as soon as it is back; a proxy's excuse is no page of ours", async () => {
  const { page } = await ready({ storageState: wearing("dark") });
  network.badGateway();
  await page.goto("/pesanan");
  await heading(page, AWAY);
  await until(() => page.evaluate(() => document.documentElement.dataset.bsTheme === "dark"), "the look that was chosen");
  network.blackhole();
  await page.click("[data-retry]");
  await untilText(page, "[data-said]", "Masih terputus. Kami coba terus.");
  network.restore();
  await heading(page, "Pesanan");
  // what the server itself refuses is said by the server
  const answer = await page.goto("/tidak-ada");
  assert.equal(answer.status(), 404);
  await untilText(page, ".number", /^404/);
});

test("the worker keeps the one page and nothing of what was on the screens", async () => {
  const { page } = await ready();
  await page.goto("/pasien");
  await page.goto("/penjualan");
  const kept = await page.evaluate(async () => {
    const all = await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)));
    return all.flat().sort();
  });
  assert.deepEqual(kept, ["/assets/app.css", "/assets/icons.svg", "/assets/offline.html", "/assets/offline.js"]);
  const stranger = await openWindow(browser, network.url);
  const login = await stranger.context.newPage();
  await login.goto("/login");
  await login.evaluate(() => navigator.serviceWorker.ready);
  network.cut();
  await login.reload();
  await heading(login, AWAY);
});
