// The server goes and comes back, the network is cut, people are signed out: a page never shows an old number without saying
// so, and shows what it missed when it can.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import {
  closeWindows, Demo, launch, Network, openTab, openTill, signIn, SILENCE_MS, textOf, until, untilStatus, untilText,
} from "./lib.mjs";

let demo;
let browser;
let network;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  network = await Network.to(demo);
});
afterEach(async () => {
  await closeWindows(browser);
  network.restore();
});
after(async () => {
  await browser?.close();
  await network?.close();
  await demo?.stop();
});

const pageOf = (frame) => `/stok?jenis=frame&cari=${frame.kode}`;
const stockOf = (frame) => `[data-product="Frame:${frame.id}"] [data-stock]`;
const unreadOf = async (page) => Number(await page.getAttribute("[data-unread-count]", "data-unread-count"));

/** How often the bell tells of this frame. */
const tellings = (page, frame) => page.locator(`[data-bell] [data-row]:has-text("${frame.merk}")`).count();

/** With the first one eight, as many as a busy kasir has open: over these pages in turn. */
async function openSeven(context, paths) {
  const tabs = [];
  while (tabs.length < 7) tabs.push(await openTab(context, paths[tabs.length % paths.length]));
  return tabs;
}

/** What the page's indicator said, state after state, since that moment. */
async function saidSince(page, moment) {
  const all = await page.evaluate(() => window.indicated);
  const first = all.findLastIndex(({ at }) => at <= moment);
  return all.slice(Math.max(0, first));
}

/** A page called itself live, at most, until the silence had to be noticed (plus what a busy machine adds). */
async function assertNeverLiveBetween(page, cutAt, restoredAt) {
  const said = await saidSince(page, cutAt);
  said.forEach(({ is, at }, index) => {
    const until_ = said[index + 1]?.at ?? restoredAt;
    if (is !== "live" || at >= restoredAt) return;
    const tooLate = Math.min(until_, restoredAt) - (cutAt + SILENCE_MS);
    assert.ok(tooLate < 1_500, `still "Langsung" ${Math.round(tooLate)} ms after the silence had to be noticed`);
    assert.ok(at <= cutAt, "it called itself live again while the network was cut");
  });
}

for (const [how, signal] of [["asked to end", "SIGTERM"], ["killed", "SIGKILL"]]) {
  test(`the server is ${how} and comes back: connecting, stale, live, and nothing missed or told twice`, async () => {
    const { context, page, failures } = await signIn(browser, network.url, "admin2");
    const frame = await demo.frame(2);
    await page.goto(pageOf(frame));
    const tabs = [page, ...await openSeven(context, ["/notifikasi", pageOf(frame), "/"])];
    await Promise.all(tabs.map((tab) => untilStatus(tab, "live")));
    const unread = await unreadOf(page);

    const haltedAt = Date.now();
    await demo.halt(signal);
    await Promise.all(tabs.map((tab) => untilStatus(tab, "connecting"))); // it lasts five seconds
    assert.equal(await textOf(page, "[data-live]"), "Menyambung…");
    for (const tab of tabs) await untilStatus(tab, "stale");
    await untilText(page, "[data-live]", /^Data per \d\d:\d\d$/);
    assert.equal(await page.locator("main[data-stale]").count(), 1);
    await page.waitForSelector("[data-banner]:not([hidden])"); // and then aloud

    network.cut(); // so that what follows surely happens while the pages are away
    await demo.run();
    await demo.setStock(frame, 3);
    const backAt = Date.now();
    network.restore();
    await page.evaluate(() => document.querySelector("[data-retry]").click()); // unless it has been faster: then it is hidden
    for (const tab of tabs) await untilStatus(tab, "live");
    await untilText(page, stockOf(frame), 3);
    for (const tab of tabs) {
      await untilText(tab, "[data-bell] [data-unread-count]", unread + 1);
      assert.equal(await tellings(tab, frame), 1);
      await assertNeverLiveBetween(tab, haltedAt, backAt);
    }
    assert.equal(await page.locator("main[data-stale]").count(), 0);
    assert.equal(await page.locator("[data-banner]").isVisible(), false);
    assert.deepEqual(failures, []);
  });
}

for (const [how, cut] of [["breaks every connection", "cut"], ["swallows everything in silence", "blackhole"]]) {
  test(`a network that ${how}: the page says so while it lasts, comes back by itself, and has missed nothing`, async () => {
    const { context, page, failures } = await signIn(browser, network.url, "admin3");
    const frame = await demo.frame(3);
    await page.goto(pageOf(frame));
    const tabs = [page, ...await openSeven(context, [pageOf(frame)])];
    await Promise.all(tabs.map((tab) => untilStatus(tab, "live")));
    const unread = await unreadOf(page);

    const cutAt = Date.now();
    network[cut]();
    await demo.setStock(frame, 2);
    for (const tab of tabs) await untilStatus(tab, "stale");
    for (const tab of tabs) assert.equal(await textOf(tab, stockOf(frame)), String(frame.stok));
    await demo.setStock(frame, 30); // armed again
    await demo.setStock(frame, 1);
    const restoredAt = Date.now();
    network.restore();

    for (const tab of tabs) {
      await untilText(tab, stockOf(frame), 1);
      await untilStatus(tab, "live");
      await untilText(tab, "[data-bell] [data-unread-count]", unread + 2);
      assert.equal(await tellings(tab, frame), 2);
      await assertNeverLiveBetween(tab, cutAt, restoredAt);
    }
    await until(() => network.streams === 1, () => `one stream, not ${network.streams}`);
    assert.deepEqual(failures, []);
  });
}

test("a short cut is nothing to speak of: the page was never stale, and has missed nothing", async () => {
  const { page, failures } = await signIn(browser, network.url, "admin4");
  const frame = await demo.frame(4);
  await page.goto(pageOf(frame));
  await untilStatus(page, "live");
  const cutAt = Date.now();
  network.cut();
  await demo.setStock(frame, 2);
  network.restore();
  await untilText(page, stockOf(frame), 2);
  await untilStatus(page, "live");
  assert.ok((await saidSince(page, cutAt)).every(({ is }) => is !== "stale"));
  assert.deepEqual(failures, []);
});

test("whoever signs out in one tab is out in all, and no tab hears anything more", async () => {
  const { context, page, failures } = await signIn(browser, network.url, "admin5");
  const other = await openTab(context, "/stok");
  const third = await openTab(context, "/notifikasi");
  for (const tab of [page, other, third]) await untilStatus(tab, "live");
  await page.locator("form[action='/logout'] button:visible").first().click();
  for (const tab of [page, other, third]) await until(() => new URL(tab.url()).pathname === "/login", "the login page");
  await until(() => network.streams === 0, "no stream to be left");
  assert.equal(new URL((await context.request.get("/stok", { headers: { Accept: "text/html" } })).url()).pathname, "/login");
  assert.deepEqual(failures, []);
});

test("a user who is switched off hears nothing more within seconds; a cart on the screen is not thrown away", async () => {
  const { context, page, failures } = await signIn(browser, network.url, "kasir6");
  const till = await openTill(context);
  const frame = await demo.frame(6);
  await till.fill("#cari", frame.kode);
  await till.press("#cari", "Enter");
  await till.waitForSelector(".cart-line");
  for (const tab of [page, till]) await untilStatus(tab, "live");

  const switchedOffAt = Date.now();
  await demo.sql("update users set is_active = false where email = 'kasir6@melati.test'");
  await until(() => network.streams === 0, "the stream to end");
  assert.ok(Date.now() - switchedOffAt < 5_000, "rights are re-read within five seconds");
  await until(() => new URL(page.url()).pathname === "/login", "the login page");
  await untilText(till, "[data-renewal] p", "Sesi Anda sudah berakhir.");
  assert.equal(await till.locator(".cart-line").count(), 1);
  await demo.setStock(frame, 1);
  assert.equal((await context.request.get("/api/products?cari=FR", { headers: { Accept: "application/json" } })).status(), 401);
  await till.click("[data-renewal] button");
  await until(() => new URL(till.url()).pathname === "/login", "the login page");
  assert.deepEqual(failures, []);
});

test("somebody else signs in in another tab: what is on screen of the first person goes", async () => {
  const { context, page, failures } = await signIn(browser, network.url, "admin7");
  await untilStatus(page, "live");
  const other = await openTab(context, "/akun");
  await other.locator("main form[action='/logout'] button").click();
  await until(() => new URL(page.url()).pathname === "/login", "the login page");
  await other.fill("[name=email]", "kasir8@melati.test");
  await other.fill("[name=password]", "melati-demo");
  await other.click("main form button:not([type=button])");
  await other.waitForURL((url) => url.pathname === "/");
  await page.goto("/");
  assert.equal(await page.getAttribute("body", "data-role"), "kasir");
  assert.equal(await page.getAttribute("body", "data-branch-id"), "8");
  await untilStatus(page, "live");
  assert.deepEqual(failures, []);
});
