// The pick-up board: moved by keyboard, by touch and without scripts, refused at the card with the next step, found by name.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, openTab, openWindow, rupiah, signIn, textOf, until, untilStatus, untilText } from "./lib.mjs";

let demo;
let browser;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  await demo.openDay(1);
});
afterEach(() => closeWindows(browser));
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** An order of a patient of this name, as the shop has it. Each has another number. */
let count = 0;
async function order(name, status, owes = 0) {
  count += 1;
  const kode = `KMG-UJI-${String(count).padStart(3, "0")}`;
  const { id } = await demo.row(
    `insert into penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, kekurangan, status, status_pengerjaan, created_at)
     select $1, $2, id, 1, 500000, 500000, 500000 - $3::bigint, $3, case when $3::bigint = 0 then 'Lunas' else 'Belum Lunas' end, $4, now() - interval '400 days'
     from users where email = 'kasir1@melati.test' returning id`, [kode, await demo.patient(1, name), owes, status]);
  return { id, kode, card: `#pesanan-${id}`, in: (lane) => `[aria-labelledby=lajur-${lane}] #pesanan-${id}` };
}
const statusOf = ({ id }) => demo.value("select status_pengerjaan from penjualans where id = $1", [id]);

test("by keyboard alone an order goes on and back, the page stays, and the hand stays at the card", async () => {
  const moved = await order("Uji Papan Ketik", "Menunggu Pengerjaan");
  const { page, failures, complaints } = await signIn(browser, demo.url, "kasir1");
  await page.goto("/pesanan");
  await untilStatus(page, "live");
  await page.evaluate(() => { window.stays = true; });
  const scroll = await page.evaluate(() => scrollY);
  await page.focus(`${moved.card} button`); // the first one is the one that goes on
  await page.keyboard.press("Enter");
  await page.waitForSelector(moved.in("doing"));
  await untilText(page, "[data-board-said]", `${moved.kode} sekarang Sedang Dikerjakan.`);
  assert.equal(await statusOf(moved), "Sedang Dikerjakan");
  await until(() => page.evaluate((card) => document.activeElement.closest(".ticket")?.matches(card) ?? false, moved.card), "the focus to be at the card");

  await page.keyboard.press("Tab"); // on
  await page.keyboard.press("Tab"); // back
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Kembalikan .* ke Menunggu Pengerjaan/);
  await page.keyboard.press("Enter");
  await page.waitForSelector(moved.in("waiting"));
  assert.equal(await statusOf(moved), "Menunggu Pengerjaan");
  assert.deepEqual(await page.evaluate(() => [window.stays, scrollY]), [true, scroll]);
  assert.deepEqual([...failures, ...complaints], []);
});

test("a refusal stands at the card with the next step, whatever else moves on the board", async () => {
  const owing = await order("Uji Kurang", "Siap Diambil", 150_000);
  const other = await order("Uji Lain", "Menunggu Pengerjaan");
  const { page, failures } = await signIn(browser, demo.url, "kasir1");
  await page.goto("/pesanan");
  await untilStatus(page, "live");
  await page.evaluate(() => { window.stays = true; });
  await page.click(`${owing.card} button.btn-quiet`);
  await untilText(page, `${owing.card} .refusal`, /^Belum bisa diserahkan, masih kurang/);
  assert.match(await textOf(page, `${owing.card} .owed`), new RegExp(rupiah(150_000)));
  await until(() => page.evaluate(() => document.activeElement.textContent === "Lunasi"), "the next step to have the focus");

  await demo.sql("update penjualans set status_pengerjaan = 'Sedang Dikerjakan' where id = $1", [other.id]);
  await page.waitForSelector(other.in("doing"));
  assert.equal(await page.isVisible(`${owing.card} .refusal`), true);
  assert.equal(await page.evaluate(() => window.stays), true);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Lunasi", "nor does the focus move");

  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/penjualan/${owing.id}#bayar$`));
  await page.click("#bayar form button");
  await page.waitForSelector("#bayar .paid");
  await page.goto("/pesanan");
  await page.click(`${owing.card} button.btn-quiet`);
  await page.waitForSelector(owing.in("taken"));
  assert.equal(await statusOf(owing), "Sudah Diambil");
  assert.deepEqual(failures, []);
});

test("on a phone: found by name, narrowed to debts, moved by a tap; a colleague who was faster is told of", async () => {
  const wanted = await order("Wulan Uji Cari", "Menunggu Pengerjaan", 20_000);
  const paid = await order("Wulan Uji Lunas", "Menunggu Pengerjaan");
  const { page, failures } = await signIn(browser, demo.url, "kasir1", { viewport: { width: 360, height: 760 }, hasTouch: true });
  let isHeldUp = false;
  await page.route("**/pesanan?*", (route) => (isHeldUp && route.request().resourceType() === "fetch" ? route.abort() : route.continue()));
  await page.goto("/pesanan");
  await page.fill("[role=search] input[name=cari]", "uji wulan");
  await page.press("[role=search] input[name=cari]", "Enter");
  await page.waitForURL(/cari=uji/);
  assert.equal(await page.locator(".ticket").count(), 2);
  await page.tap("nav.only-phone a:text('Kurang bayar')");
  await page.waitForURL(/saring=kurang/);
  assert.deepEqual(await page.locator(".ticket").evaluateAll((cards) => cards.map((card) => card.id)), [`pesanan-${wanted.id}`]);
  assert.equal(await page.locator(paid.card).count(), 0);

  // the stream is held up: the page does not know yet
  isHeldUp = true;
  await demo.sql("update penjualans set status_pengerjaan = 'Sedang Dikerjakan' where id = $1", [wanted.id]);
  await page.tap(`${wanted.card} button.btn-quiet`);
  await untilText(page, `${wanted.card} .refusal`, "Sudah dipindahkan rekan lain, sekarang Sedang Dikerjakan.");
  assert.equal(await statusOf(wanted), "Sedang Dikerjakan");
  isHeldUp = false;
  await page.waitForSelector(wanted.in("doing")); // it asks again by itself
  assert.match(page.url(), /cari=uji.*wulan/);
  await page.tap(`${wanted.card} button.btn-quiet`);
  await page.waitForSelector(wanted.in("ready"));
  assert.equal(await page.locator(`${wanted.card} .refusal`).count(), 0, "what was refused before is over");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, "nothing widens the page");
  assert.deepEqual(failures, []);
});

test("without scripts the same buttons move, and say at the card or above the board why not", async () => {
  const owing = await order("Uji Tanpa Skrip", "Siap Diambil", 10_000);
  const gone = await order("Uji Batal", "Menunggu Pengerjaan");
  const { context } = await signIn(browser, demo.url, "kasir1", { javaScriptEnabled: false });
  const page = await openTab(context, "/pesanan");
  await page.click(`${owing.card} button.btn-quiet`);
  await page.waitForURL(/sebab=unpaid/);
  assert.match(await page.locator(`${owing.card} .refusal`).textContent(), /masih kurang bayar/);
  await page.click(`${gone.card} button.btn-quiet`);
  await page.waitForSelector(gone.in("doing"));
  await demo.sql("update penjualans set dibatalkan_at = now(), alasan_batal = 'uji', bayar = 0, kekurangan = 0 where id = $1", [gone.id]);
  await page.click(`${gone.card} button.btn-quiet`);
  await page.waitForURL(/sebab=cancelled/);
  assert.equal(await page.locator(gone.card).count(), 0);
  assert.match(await page.locator("main > .refusal").textContent(), /sudah dibatalkan/);
});

test("without scripts a card moves, or says why not, on the board as it was filtered and searched", async () => {
  const owing = await order("Uji Papan Saring", "Sedang Dikerjakan", 200_000);
  const other = await order("Uji Papan Saring", "Menunggu Pengerjaan", 100_000);
  const { context } = await openWindow(browser, demo.url, { javaScriptEnabled: false });
  const page = await openTab(context, "/login");
  await page.fill("[name=email]", "kasir1@melati.test");
  await page.fill("[name=password]", "melati-demo");
  await page.click("main form button");
  await page.waitForURL((url) => url.pathname === "/");
  const asked = { saring: "kurang", cari: "Uji Papan Saring" };
  await page.goto(`/pesanan?${new URLSearchParams(asked)}`);
  const query = () => Object.fromEntries(new URL(page.url()).searchParams);
  await page.click(`${owing.card} button[value="Siap Diambil"]`);
  await page.waitForSelector(owing.in("ready"));
  assert.deepEqual(query(), asked);
  await page.click(`${owing.card} button[value="Sudah Diambil"]`);
  await page.waitForSelector(`${owing.card} .refusal`);
  assert.deepEqual(query(), { ...asked, ditolak: String(owing.id), sebab: "unpaid" });
  assert.equal(await statusOf(owing), "Siap Diambil");
  await page.click(`${other.card} button[value="Sedang Dikerjakan"]`);
  await page.waitForSelector(other.in("doing"));
  assert.deepEqual(query(), asked, "what was refused before is over");
});
