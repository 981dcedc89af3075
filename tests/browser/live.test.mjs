// One connection for all tabs of a browser, whatever becomes of the tab that holds it. Everything over plain HTTP/1.1, where a
// browser has six connections for a host and every second one too many hangs a page.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import {
  closeWindows, Demo, isLeader, launch, Network, openTab, SHOP_WITHOUT_TLS, signIn, until, untilStatus, untilText,
} from "./lib.mjs";

let demo;
let browser;
let network;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  network = await Network.to(demo);
});
afterEach(() => closeWindows(browser));
after(async () => {
  await browser?.close();
  await network?.close();
  await demo?.stop();
});

const pageOf = (frame) => `/stok?jenis=frame&cari=${frame.kode}`;
const stockOf = (frame) => `[data-product="Frame:${frame.id}"] [data-stock]`;
const oneStream = () => until(() => network.streams === 1, () => `one stream, not ${network.streams}`);

async function openTabs(context, path, count) {
  const tabs = [];
  while (tabs.length < count) tabs.push(await openTab(context, path));
  for (const tab of tabs) await untilStatus(tab, "live");
  return tabs;
}

async function untilAllShow(tabs, frame, stok) {
  await demo.setStock(frame, stok);
  for (const tab of tabs) await untilText(tab, stockOf(frame), stok);
}

async function leaderOf(tabs) {
  let leader;
  await until(async () => {
    const leading = [];
    for (const tab of tabs) if (await isLeader(tab)) leading.push(tab);
    leader = leading[0];
    return leading.length === 1;
  }, "one tab to lead");
  return leader;
}

test("eight tabs are live over HTTP/1.1, and a ninth page loads at once", async () => {
  const { context, page, failures } = await signIn(browser, network.url, "admin1");
  await page.close();
  const frame = await demo.frame(1);
  const tabs = await openTabs(context, pageOf(frame), 8);
  await untilAllShow(tabs, frame, 9);
  await oneStream();

  const started = Date.now();
  const ninth = await openTab(context, "/");
  const took = Date.now() - started;
  assert.ok(took < 3_000, `the ninth page took ${took} ms`);
  await untilStatus(ninth, "live");
  await oneStream(); // which now carries the dashboard, too
  await untilAllShow(tabs, frame, 8);
  assert.deepEqual(failures, []);
  await context.close();
  await until(() => network.streams === 0, "the stream to end with its window");
});

test("a shop without TLS has one connection for its tabs, too, and passes it on", async () => {
  const { context, page, failures } = await signIn(browser, network.url.replace("127.0.0.1", SHOP_WITHOUT_TLS), "admin3");
  await page.close();
  const frame = await demo.frame(3);
  const tabs = await openTabs(context, pageOf(frame), 8);
  assert.equal(await tabs[0].evaluate(() => isSecureContext || "locks" in navigator), false);
  await untilAllShow(tabs, frame, 9);
  await oneStream();

  const leader = await leaderOf(tabs);
  await leader.close();
  const others = tabs.filter((tab) => tab !== leader);
  await untilAllShow(others, frame, 8);
  await leaderOf(others);
  await oneStream();
  assert.deepEqual(failures, []);
});

/** As a phone does with tabs in the background: no event, no goodbye, and the lock goes into the sleep with it. Returns how it wakes. */
async function suspend(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Debugger.enable");
  const paused = new Promise((resolve) => devtools.once("Debugger.paused", resolve));
  await devtools.send("Debugger.pause");
  devtools.send("Runtime.evaluate", { expression: "0" }).catch(() => {}); // a page at rest would not come to its next statement
  await paused;
  return () => devtools.send("Debugger.resume");
}

/**
 * As a computer's browser does: with a word before and after. A headless Chromium never hides a page, and ignores
 * Page.setWebLifecycleState for a visible one; so the words are ours and the sleep is the debugger's.
 */
async function freeze(page) {
  await page.evaluate(() => document.dispatchEvent(new Event("freeze")));
  const wake = await suspend(page);
  return async () => {
    await wake();
    await page.evaluate(() => document.dispatchEvent(new Event("resume")));
  };
}

// What becomes of the leading tab; each resolves when it can no longer lead.
const ends = {
  "is closed": (page) => page.close(),
  "crashes": async (page) => {
    const crashed = page.waitForEvent("crash");
    const devtools = await page.context().newCDPSession(page);
    devtools.send("Page.crash").catch(() => {}); // nobody is left to answer
    await crashed;
  },
  "is frozen by the browser": freeze,
  "is suspended with its lock": suspend,
};
for (const [happens, end] of Object.entries(ends)) {
  test(`when the leading tab ${happens}, another takes over, and nothing is missed`, async () => {
    const { context, page, failures } = await signIn(browser, network.url, "admin4");
    await page.close();
    const frame = await demo.frame(4);
    const tabs = await openTabs(context, pageOf(frame), 3);
    const leader = await leaderOf(tabs);
    const others = tabs.filter((tab) => tab !== leader);
    const unread = Number(await others[0].getAttribute("[data-unread-count]", "data-unread-count"));

    await end(leader);
    await others[0].bringToFront();
    await untilAllShow(others, frame, 2); // low: that is a notification, too
    for (const tab of others) {
      await untilStatus(tab, "live");
      await untilText(tab, "[data-bell] [data-unread-count]", unread + 1);
      assert.equal(await tab.locator(`[data-bell] [data-row] small:has-text("${frame.merk}")`).count(), 1);
    }
    assert.deepEqual(failures, []);
  });
}

test("a frozen tab that wakes shows what it slept through, and does not take the connection back", async () => {
  const { context, page, failures } = await signIn(browser, network.url, "admin5");
  const frame = await demo.frame(5);
  await page.goto(pageOf(frame));
  const other = await openTab(context, pageOf(frame));
  for (const tab of [page, other]) await untilStatus(tab, "live");
  const sleeper = await leaderOf([page, other]);
  const awake = sleeper === page ? other : page;
  const wake = await freeze(sleeper);
  await untilAllShow([awake], frame, 4);
  await wake();
  await untilText(sleeper, stockOf(frame), 4);
  await untilStatus(sleeper, "live");
  assert.ok((await leaderOf([page, other])) === awake);
  await oneStream();
  assert.deepEqual(failures, []);
});

test("a suspended leader that wakes lets go of its connection", async () => {
  const { context, page, failures } = await signIn(browser, network.url, "admin6");
  const frame = await demo.frame(6);
  await page.goto(pageOf(frame));
  await untilStatus(page, "live");
  const other = await openTab(context, pageOf(frame));
  await untilStatus(other, "live");
  assert.ok(await isLeader(page));

  const wake = await suspend(page);
  await untilAllShow([other], frame, 4);
  await wake();
  await untilText(page, stockOf(frame), 4);
  await untilStatus(page, "live");
  assert.ok((await leaderOf([page, other])) === other);
  await oneStream();
  assert.deepEqual(failures, []);
});

test("a page that comes back out of the back/forward cache catches up", async () => {
  // Playwright switches that cache off for every browser that it starts; people's browsers have it.
  const remembering = await launch({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  try {
    const { page, failures } = await signIn(remembering, network.url, "admin7");
    const frame = await demo.frame(7);
    await page.goto(pageOf(frame));
    await untilStatus(page, "live");
    await page.evaluate(() => addEventListener("pageshow", (event) => (window.wasCached = event.persisted)));
    await page.goto("/notifikasi");
    await untilStatus(page, "live");
    await demo.setStock(frame, 4);
    await page.evaluate(() => history.back());
    await until(() => new URL(page.url()).pathname === "/stok", "the page before");
    await untilText(page, stockOf(frame), 4);
    await untilStatus(page, "live");
    assert.equal(await page.evaluate(() => window.wasCached), true, "the page was loaded anew: something keeps it out of the cache");
    await oneStream();
    assert.deepEqual(failures, []);
  } finally {
    await remembering.close();
  }
});
