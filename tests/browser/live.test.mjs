// Stories of several windows and tabs, over plain HTTP/1.1.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { countStreams, Demo, launch, openTab, SHOP_WITHOUT_TLS, signIn, untilStatus, untilText } from "./lib.mjs";

let demo;
let browser;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** A frame of the branch with plenty in stock, as {id, kode, stok}. */
async function someFrame(branch, skip) {
  const row = await demo.psql(
    `select id || ' ' || kode_frame || ' ' || stok from frames where branch_id = ${branch} and stok > 12 order by id offset ${skip} limit 1`);
  const [id, kode, stok] = row.split(" ");
  return { id, kode, stok: Number(stok) };
}

const stockOf = (frame) => `[data-product="Frame:${frame.id}"] [data-stock]`;
const pageOf = (frame) => `/stok?jenis=frame&cari=${frame.kode}`;
const setStock = (frame, stok) => demo.psql(`update frames set stok = ${stok} where id = ${frame.id}`);

test("eight tabs are live over HTTP/1.1, and a ninth page loads at once", async () => {
  const { context, failures } = await signIn(browser, demo, "admin1");
  const frame = await someFrame(1, 0);
  const tabs = [];
  for (let count = 0; count < 8; count += 1) tabs.push(await openTab(context, pageOf(frame)));
  for (const tab of tabs) await untilStatus(tab, "live");

  await setStock(frame, 9);
  for (const tab of tabs) await untilText(tab, stockOf(frame), "9");

  const started = Date.now();
  const ninth = await openTab(context, "/");
  assert.ok(Date.now() - started < 3000, `the ninth page took ${Date.now() - started} ms`);
  await untilStatus(ninth, "live");

  await tabs[0].close();
  await ninth.close();
  await setStock(frame, 8);
  for (const tab of tabs.slice(1)) await untilText(tab, stockOf(frame), "8");
  assert.equal(await countStreams(context.pages()), 1);
  assert.deepEqual(failures, []);
  await context.close();
});

test("a shop without TLS has one connection for its tabs, too, and passes it on", async () => {
  const { context, failures } = await signIn(browser, demo, "admin3", SHOP_WITHOUT_TLS);
  const frame = await someFrame(3, 0);
  const tabs = [];
  for (let count = 0; count < 8; count += 1) tabs.push(await openTab(context, pageOf(frame)));
  assert.equal(await tabs[0].evaluate(() => isSecureContext || "locks" in navigator), false);
  for (const tab of tabs) await untilStatus(tab, "live");
  await setStock(frame, 9);
  for (const tab of tabs) await untilText(tab, stockOf(frame), "9");
  await tabs[0].close();
  await setStock(frame, 8);
  for (const tab of tabs.slice(1)) await untilText(tab, stockOf(frame), "8");
  assert.equal(await countStreams(context.pages()), 1);
  assert.deepEqual(failures, []);
  await context.close();
});

test("what happened while the server was away shows after it is back", async () => {
  const { context, failures } = await signIn(browser, demo, "admin2");
  const frame = await someFrame(2, 0);
  const tab = await openTab(context, pageOf(frame));
  await untilStatus(tab, "live");
  await demo.halt();
  await untilStatus(tab, "stale");
  assert.ok(await tab.locator("main[data-stale]").count());
  await demo.run();
  await setStock(frame, 7); // perhaps before the page is back, perhaps after: it must not matter
  await untilText(tab, stockOf(frame), "7");
  await untilStatus(tab, "live");
  assert.equal(await tab.locator("main[data-stale]").count(), 0);
  assert.deepEqual(failures, []);
  await context.close();
});

test("the kasir sells in one window, the admin sees it in the other", async () => {
  const kasir = await signIn(browser, demo, "kasir1");
  const admin = await signIn(browser, demo, "admin1");
  await untilStatus(admin.page, "live");
  const opening = kasir.page.locator("form[action='/hari/buka'] button:visible");
  if (await opening.count()) {
    await opening.click();
    await kasir.page.waitForSelector("form[action='/hari/tutup'] button:visible");
  }
  const before_ = Number(await admin.page.textContent("[data-bind='dashboard:total_transaksi_hari_ini']"));

  const frame = await someFrame(1, 3);
  const till = await openTab(kasir.context, "/penjualan/create");
  await till.click("[data-patient-new]");
  await till.fill("#nama_pasien", "Wulan Sari");
  await till.click("[data-patient-form] button[type=submit]");
  await untilText(till, "[data-patient-name]", "Wulan Sari");
  await till.fill("#cari", frame.kode);
  await till.press("#cari", "Enter");
  await till.waitForSelector(".cart-line");
  await till.click("[data-save]");
  await till.waitForURL(/\/penjualan\/\d+$/);

  await untilText(admin.page, "[data-bind='dashboard:total_transaksi_hari_ini']", String(before_ + 1));
  await untilText(admin.page, "[data-list='dashboard:transaksi_terbaru'] [data-field='nama_pasien']", "Wulan Sari");
  await admin.page.waitForSelector(".swal2-toast");
  assert.equal(Number(await demo.psql(`select stok from frames where id = ${frame.id}`)), frame.stok - 1);
  assert.deepEqual([...kasir.failures, ...admin.failures], []);
  await Promise.all([kasir.context.close(), admin.context.close()]);
});
