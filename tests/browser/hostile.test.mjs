// Names that are markup, through everything that speaks of them: pages, toasts, the bell, an announcement, the question for an
// answer, the till's picker and its patients, what is said aloud. They are text: no element comes of them, not for a moment.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, everyPage, isFile, launch, openTab, openTill, sell, signIn, textOf, until, untilFirstLook, untilStatus, untilText } from "./lib.mjs";
import { spoken, written } from "../../static/notify/words.js";

const HOSTILE = '<img src=x onerror="alert(1)"><b class="owned">';

let demo;
let browser;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  await demo.openDay(1);
  for (const rename of [
    "update frames set merk_frame = $1 where branch_id = 1 and id in (select id from frames where branch_id = 1 order by id limit 60)",
    "update lensas set merk_lensa = $1, type = $1, index = $1, coating = $1 where branch_id = 1 and id in (select id from lensas where branch_id = 1 order by id limit 20)",
    "update aksesoris set nama_produk = $1 where branch_id = 1",
    "update pasiens set nama_pasien = $1, no_telepon = $1 where id in (select pasien_id from penjualans where branch_id = 1 order by id desc limit 60)",
    "update penjualan_details set nama = $1 where penjualan_id in (select id from penjualans where branch_id = 1 order by id desc limit 60)",
    "update users set name = $1 where branch_id = 1",
    "update branches set name = $1 || id",
  ]) await demo.sql(rename, [HOSTILE]);
});
afterEach(() => closeWindows(browser));
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Runs in every page before its own scripts: whatever of the names became an element, for however short a time. */
function watch() {
  window.owned = [];
  const owned = ".owned, img[src='x'], [onerror]";
  const look = (node) => {
    for (const found of node.querySelectorAll?.(owned) ?? []) window.owned.push(found.outerHTML);
    if (node.matches?.(owned)) window.owned.push(node.outerHTML);
  };
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(look))).observe(document, { subtree: true, childList: true });
}

async function ready(name) {
  const known = await signIn(browser, demo.url, name);
  await known.context.addInitScript(watch);
  await known.page.reload();
  await untilStatus(known.page, "live");
  return known;
}

/** Nothing of the names became an element, and they are there to be read. */
async function isText(page, where) {
  assert.deepEqual(await page.evaluate(() => window.owned), [], where);
  return (await page.evaluate(() => document.body.innerText)).includes("<img src=x onerror=");
}

test("the watch would see an element that comes of a name", async () => {
  const { page } = await ready("kasir1");
  await page.evaluate(() => document.body.append(Object.assign(document.createElement("b"), { className: "owned" })));
  await until(async () => (await page.evaluate(() => window.owned)).length === 1, "the watch");
});

test("every page shows such names as text", async () => {
  const pages = await everyPage(demo);
  for (const name of ["admin1", "kasir1"]) {
    const { context, page, failures } = await ready(name);
    let shown = 0;
    for (const path of [...pages, `/stok?cari=${encodeURIComponent(HOSTILE)}`, `/pasien?cari=${encodeURIComponent(HOSTILE)}`]) {
      if (!(await page.goto(path).catch(isFile))) continue;
      if (await page.locator("[data-live]").count()) await untilStatus(page, "live");
      shown += await isText(page, `${name} at ${path}`);
    }
    assert.ok(shown >= 10, `${name} read such names on ${shown} pages`);
    assert.deepEqual(failures, []);
    await context.close();
  }
});

test("toasts, the bell, the question and an announcement say such names as text", async () => {
  const [rina, hendra] = [await ready("kasir1"), await ready("admin1")];
  await untilFirstLook(hendra.page);
  const frame = await demo.row("select id, stok, merk_frame as merk, harga_jual_frame as price from frames where branch_id = 1 and merk_frame = $1 and stok > 12 order by id limit 1", [HOSTILE]);

  // a sale: the list, the latest sales, the admin's toast (whose kasir has such a name)
  const patient = await demo.patient(1, HOSTILE);
  await sell(rina.context, { pasien_id: patient, frame });
  await hendra.page.waitForSelector(".swal2-toast");
  // low: in passing at the kasir's, as a question at the admin's
  await demo.setStock(frame, 1);
  await untilText(rina.page, ".swal2-toast", /<img src=x onerror=/);
  await untilText(hendra.page, ".swal2-popup", /<img src=x onerror=/);
  // an announcement, through the form
  const told = await hendra.context.request.post("/pengumuman", { form: { title: HOSTILE, message: HOSTILE }, headers: { Accept: "application/json" } });
  assert.ok(told.ok(), await told.text());
  await until(async () => /<img src=x onerror=.*<img src=x onerror=/s.test((await textOf(rina.page, ".swal2-container")) ?? ""), "the announcement's toast");
  // the bell
  await rina.page.reload();
  await untilStatus(rina.page, "live");
  assert.ok(/<img src=x/.test(await rina.page.evaluate(() => [...document.querySelectorAll(".notice")].map((notice) => notice.textContent).join(" "))), "in the bell");
  for (const { page, failures } of [rina, hendra]) {
    await isText(page, "after all that was told");
    assert.deepEqual(failures, []);
  }
});

test("the till finds and sells such goods to such patients, and they are text", async () => {
  await demo.patient(1, `${HOSTILE} Sari`);
  const { context, failures } = await ready("kasir1");
  const till = await openTill(context);
  await until(() => isText(till, "the picker"), "such names in the picker");
  await till.click("#hasil [role=option] >> nth=0");
  const answer = await context.request.get(`/api/pasien?cari=${encodeURIComponent("Sari")}`, { headers: { Accept: "application/json" } });
  assert.ok((await answer.text()).includes("<img src=x"), "the search finds such a patient");
  const search = till.locator("input[type=search], input[role=combobox]").last();
  await search.fill("Sari");
  await until(() => till.evaluate(() => document.body.innerText.includes("Sari")), "such a patient");
  assert.ok(await isText(till, "the till"));
  assert.deepEqual(failures, []);
});

test("what is said aloud, and what a lock screen shows, has none of it", () => {
  const data = { no_transaksi: HOSTILE, product_type: "Frame", current_stock: 3, pasien_nama: HOSTILE, kasir: HOSTILE };
  for (const type of ["new_transaction", "ready_for_pickup", "stock_alert", "payment_processed", "announcement", "price_updated", "?"]) {
    const notice = { type, title: HOSTILE, message: HOSTILE, data };
    assert.ok(!spoken([notice]).includes("<"), spoken([notice]));
    // the system shows text, whatever is in it; a title is always ours
    assert.ok(!written(notice).title.includes("<"));
  }
});
