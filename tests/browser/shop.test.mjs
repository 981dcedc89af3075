// A day in the shop: one window sells, restocks or moves an order, and everybody else's screens follow without a reload.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, openTab, openTill, rupiah, sell, signIn, textOf, until, untilStatus, untilText } from "./lib.mjs";

let demo;
let browser;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  for (const branch of [1, 2]) await demo.openDay(branch);
});
afterEach(() => closeWindows(browser));
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const pageOf = (frame) => `/stok?jenis=frame&cari=${frame.kode}`;
const stockOf = (frame) => `[data-product="Frame:${frame.id}"] [data-stock]`;
const omsetOf = (branch) => demo.row(
  `select coalesce(sum(omset_bpjs + omset_umum), 0)::bigint as total, count(*) as sales from penjualans p
   join branch_days d on d.branch_id = p.branch_id where p.branch_id = $1 and p.created_at >= d.starts_at`, [branch]);

/** Keys at the pace of a hand: a faster one is a barcode scanner. */
const byHand = (page, text) => page.keyboard.type(text, { delay: 70 });
const focused = (page) => page.evaluate(() => document.activeElement.id);

test("a kasir sells with the keyboard alone, and every screen of the branch follows; no other branch's does", async () => {
  const patient = "Ratna Uji Papan Ketik";
  await demo.patient(1, patient, "BPJS II");
  const frame = await demo.frame(1, "jenis_frame = 'Umum' and harga_jual_frame > 500000");
  const kasir = await signIn(browser, demo.url, "kasir1");
  const admin = await signIn(browser, demo.url, "admin1");
  const stock = await openTab(admin.context, pageOf(frame));
  const kasir2 = await signIn(browser, demo.url, "kasir2");
  const dashboard = kasir.page;
  const before_ = {
    unread: Number(await admin.page.getAttribute("[data-unread-count]", "data-unread-count")),
    mine: await demo.value(
      `select coalesce(sum(omset_bpjs + omset_umum), 0)::bigint from penjualans p join branch_days d using (branch_id)
       where user_id = (select id from users where email = 'kasir1@melati.test') and p.created_at >= d.starts_at`),
  };
  for (const page of [dashboard, admin.page, stock]) await untilStatus(page, "live");

  // Nothing of branch 2 shows in branch 1: when a later change of branch 1 has come, an earlier one of branch 2 would have.
  const shown = await textOf(admin.page, "main");
  await sell(kasir2.context, { pasien_id: await demo.patient(2, "Orang Bandung"), frame: await demo.frame(2) });
  await demo.setStock(frame, frame.stok + 1);
  await untilText(stock, stockOf(frame), frame.stok + 1);
  assert.equal(await textOf(admin.page, "main"), shown);
  assert.equal(Number(await admin.page.getAttribute("[data-unread-count]", "data-unread-count")), before_.unread);

  const till = await openTill(kasir.context);
  assert.equal(await focused(till), "cari");
  await till.keyboard.press("F4");
  assert.equal(await focused(till), "pasien");
  await byHand(till, "ratna uji"); // another Ratna stands first until the last letters; Enter must wait for them
  await till.keyboard.press("Enter");
  await untilText(till, "[data-patient-name]", patient);
  assert.equal(await focused(till), "cari");
  await byHand(till, frame.kode);
  await till.keyboard.press("Enter");
  await untilText(till, ".cart-line [data-line-upgrade]", "Naik Kelas");
  await untilText(till, "[data-omset-bpjs]", rupiah(220_000));
  await untilText(till, "[data-omset-umum]", rupiah(frame.price - 220_000));
  await till.keyboard.press("F8");
  assert.equal(await focused(till), "uang");
  await byHand(till, String(frame.price));
  await untilText(till, "[data-change]", rupiah(220_000));
  await till.keyboard.press("F9");
  await till.waitForURL(/\/penjualan\/\d+\/struk$/);

  const sale = await demo.row("select * from penjualans where id = $1", [Number(till.url().split("/").at(-2))]);
  assert.deepEqual([sale.total, sale.omset_bpjs, sale.omset_umum, sale.status, sale.transaction_status],
    [frame.price, 220_000, frame.price - 220_000, "Lunas", "Naik Kelas"]);
  const omset = await omsetOf(1);
  await untilText(admin.page, "[data-bind='dashboard:total_omset_hari_ini']", rupiah(omset.total));
  await untilText(admin.page, "[data-bind='dashboard:total_transaksi_hari_ini']", omset.sales);
  await untilText(admin.page, "[data-list='dashboard:transaksi_terbaru'] [data-row] [data-field=nama_pasien]", patient);
  await untilText(admin.page, "[data-bell] [data-unread-count]", before_.unread + 1);
  await untilText(admin.page, "[data-bell] [data-row] small", new RegExp(sale.kode_penjualan));
  await untilText(admin.page, ".swal2-toast", new RegExp(sale.kode_penjualan));
  await untilText(stock, stockOf(frame), frame.stok);
  await untilText(dashboard, "[data-bind='omset-kasir:omset_kasir']", rupiah(before_.mine + frame.price));
  await untilText(dashboard, "[data-list='dashboard:transaksi_terbaru'] [data-row] [data-field=nama_pasien]", patient);
  assert.deepEqual([...kasir.failures, ...admin.failures, ...kasir.complaints, ...admin.complaints], []);
});

test("a barcode scanner sells wherever the cursor stands, and the focus stays", async () => {
  const frame = await demo.frame(1);
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  const till = await openTill(context);
  await till.focus("#pasien");
  await till.evaluate((code) => { // at the pace of a scanner, however busy this machine is: all within one task
    const field = document.activeElement;
    for (const key of [...code, "Enter"]) {
      const goes = field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      if (goes && key !== "Enter") field.value += key;
    }
  }, frame.kode);
  await untilText(till, ".cart-line [data-line-name]", new RegExp(frame.merk.replace(/[^\w ]/g, ".")));
  assert.equal(await focused(till), "pasien");
  assert.equal(await till.inputValue("#pasien"), "");
  assert.deepEqual(failures, []);
});

test("stock and prices that change in the database change before the kasir's eyes, who goes on typing", async () => {
  const frame = await demo.frame(1);
  const { context, page: stock, failures } = await signIn(browser, demo.url, "kasir1");
  await stock.goto(pageOf(frame));
  const till = await openTill(context);
  for (const page of [stock, till]) await untilStatus(page, "live");
  await till.focus("#cari");
  await byHand(till, frame.kode);
  const pick = `#hasil [data-product="Frame:${frame.id}"]`;
  await till.waitForSelector(pick);
  await till.keyboard.press("Enter");
  await till.waitForSelector(".cart-line");
  await till.keyboard.press("End");
  await till.keyboard.press("Enter");
  await until(async () => (await till.inputValue("[data-line-quantity]")) === "2", "two in the cart");
  const low = Number(await textOf(till, "[data-low-count]"));
  const typed = await till.inputValue("#cari");

  await demo.setStock(frame, 1);
  for (const page of [stock, till]) {
    await page.waitForSelector(`[data-product="Frame:${frame.id}"] .stock[data-flash=on][data-level=low]`);
    await untilText(page, stockOf(frame), 1);
    await untilText(page, "[data-low-count]", low + 1);
  }
  await untilText(till, "[data-line-note-text]", "Stok tinggal 1, di keranjang 2.");
  assert.equal(await till.getAttribute(pick, "aria-disabled"), null);

  await demo.setStock(frame, 0);
  await till.waitForSelector(`${pick}[aria-disabled=true]`);
  await untilText(till, `${pick} [data-stock]`, "Habis");
  await untilText(till, `${pick} [data-pick-note]`, /^· Habis \d\d:\d\d, terjual di kasir lain$/);
  await untilText(till, "[data-line-note-text]", "Stok tinggal 0, di keranjang 2.");
  await till.keyboard.press("Enter");
  await untilText(till, "[data-pick-refusal]", /sudah habis/);

  await demo.sql("update frames set stok = 20, harga_jual_frame = 1234000 where id = $1", [frame.id]);
  for (const page of [stock, till]) await untilText(page, `[data-product="Frame:${frame.id}"] [data-price]`, rupiah(1_234_000));
  await untilText(till, "[data-line-subtotal]", rupiah(2_468_000)); // the cart asks again what it costs
  await untilText(till, "[data-low-count]", low);
  await untilText(till, "[data-line-note-text]", `Harga sekarang ${rupiah(1_234_000)}, tadi ${rupiah(frame.price)}.`);

  assert.equal(await focused(till), "cari");
  assert.equal(await till.inputValue("#cari"), typed);
  assert.deepEqual(failures, []);
});

test("an order moves over the board, is refused at its card while money is owed, and is handed over when it is paid", async () => {
  const { page, failures } = await signIn(browser, demo.url, "kasir1");
  const oldest = (status, more) => demo.row(
    `select id, kekurangan from penjualans where branch_id = 1 and status_pengerjaan = $1 and ${more} order by created_at, id limit 1`, [status]);
  const statusOf = (id) => demo.value("select status_pengerjaan from penjualans where id = $1", [id]);
  const cardIn = (lane, id) => page.waitForSelector(`[aria-labelledby=lajur-${lane}] #pesanan-${id}`);

  const waiting = await oldest("Menunggu Pengerjaan", "true");
  await page.goto("/pesanan");
  await page.click(`#pesanan-${waiting.id} form button`);
  await until(async () => (await statusOf(waiting.id)) === "Sedang Dikerjakan", "the order to move");
  await cardIn("doing", waiting.id);

  const unpaid = await oldest("Siap Diambil", "kekurangan > 0");
  await page.goto("/pesanan?saring=kurang");
  await page.click(`#pesanan-${unpaid.id} form button`);
  await untilText(page, `#pesanan-${unpaid.id} .refusal`, /^Belum bisa diserahkan/);
  assert.equal(await statusOf(unpaid.id), "Siap Diambil");
  await page.click(`#pesanan-${unpaid.id} a.btn-primary`);
  await page.waitForURL(/#bayar$/);
  await page.click("#bayar form button");
  await until(async () => (await demo.value("select kekurangan from penjualans where id = $1", [unpaid.id])) === 0, "the payment");
  await page.waitForSelector("#bayar .paid");
  await page.click("form[action$='/status'] button[value='Sudah Diambil']");
  await until(async () => (await statusOf(unpaid.id)) === "Sudah Diambil", "the order to be handed over");
  await page.waitForSelector("text=Sudah diserahkan kepada pasien");
  await page.goto("/pesanan");
  await cardIn("taken", unpaid.id);

  // A colleague was faster: nothing moves a second time.
  const contested = await oldest("Menunggu Pengerjaan", "true");
  await page.reload();
  await demo.sql("update penjualans set status_pengerjaan = 'Sedang Dikerjakan' where id = $1", [contested.id]);
  await page.click(`#pesanan-${contested.id} form button`);
  await page.waitForURL(/sebab=status_changed/);
  assert.equal(await statusOf(contested.id), "Sedang Dikerjakan");
  assert.deepEqual(failures, []);
});

test("the admin restocks, corrects and prices; what changed under the form is not overwritten", async () => {
  const frame = await demo.frame(1);
  const { page, failures } = await signIn(browser, demo.url, "admin1");
  const now = () => demo.row("select stok, harga_jual_frame as price from frames where id = $1", [frame.id]);
  const open = async (form) => {
    await page.goto(pageOf(frame));
    await page.click(`#produk-${frame.id} a.btn`);
    await page.click(`.inline-form nav a:text-is("${form}")`);
    await untilText(page, ".inline-form nav a[aria-current=true]", form);
  };
  const save = () => page.click(".inline-form form button.btn-primary");

  await open("Restok");
  await page.fill("#jumlah", "5");
  await page.fill("#catatan", "Faktur 77");
  await save();
  await untilText(page, stockOf(frame), frame.stok + 5);
  assert.deepEqual(await demo.row(
    "select delta, reason, catatan from stock_movements where product_type = 'Frame' and product_id = $1 order by id desc limit 1", [frame.id]),
  { delta: 5, reason: "restok", catatan: "Faktur 77" });

  await open("Koreksi");
  await page.fill("#hitungan", "11");
  await save(); // the browser itself asks for the reason
  assert.equal(await page.evaluate(() => document.activeElement.id), "catatan");
  await page.fill("#catatan", "Rusak");
  await save();
  await untilText(page, stockOf(frame), 11);

  await open("Koreksi");
  await demo.setStock(frame, 14);
  await page.fill("#hitungan", "10");
  await page.fill("#catatan", "Hilang");
  await save();
  await untilText(page, ".inline-form .refusal:not([hidden])", /14/);
  assert.equal((await now()).stok, 14);
  assert.equal(await page.inputValue("#hitungan"), "10"); // what was typed stays

  await open("Harga");
  await page.fill("#harga", "755.000");
  await save();
  await untilText(page, `#produk-${frame.id} [data-price]`, rupiah(755_000));

  await open("Harga");
  await demo.sql("update frames set harga_jual_frame = 760000 where id = $1", [frame.id]);
  await page.fill("#harga", "700.000");
  await save();
  await untilText(page, ".inline-form .refusal:not([hidden])", /760\.000/);
  assert.equal((await now()).price, 760_000);
  assert.deepEqual(failures, []);
});

test("a name is a name, whatever it looks like", async () => {
  const name = `<img src=x onerror=alert(1)>`;
  const frame = await demo.frame(1);
  await demo.sql("update frames set merk_frame = $2 where id = $1", [frame.id, `<b>Tebal</b>${name}`]);
  const kasir = await signIn(browser, demo.url, "kasir1");
  const admin = await signIn(browser, demo.url, "admin1");
  const pusat = await signIn(browser, demo.url, "superadmin");
  const dashboards = [kasir.page, admin.page, pusat.page];
  for (const page of dashboards) await untilStatus(page, "live");

  const { redirect } = await sell(kasir.context, { pasien_id: await demo.patient(1, name), frame });
  for (const page of dashboards) await untilText(page, "[data-list='dashboard:transaksi_terbaru'] [data-row] [data-field=nama_pasien]", name);
  await admin.page.waitForSelector(".swal2-toast"); // of the sale
  await demo.setStock(frame, 2);                    // and of the stock, with the product's name in it
  for (const page of dashboards) {
    await untilText(page, "[data-bell] [data-row] small", new RegExp(`^${`<b>Tebal</b>${name}`.replace(/[()]/g, "\\$&")}`));
    // the admin can do something about it, and is asked
    await until(async () => (await textOf(page, ".swal2-popup"))?.includes("<b>Tebal</b>"), "a toast or a question with the product's name");
  }
  const till = await openTill(kasir.context);
  await till.fill("#cari", frame.kode);
  await till.press("#cari", "Enter");
  await untilText(till, ".cart-line [data-line-name]", /<b>Tebal<\/b>/);
  await till.fill("#pasien", "<img");
  await untilText(till, "#hasil-pasien .name", name);

  const pages = [...dashboards, till];
  for (const path of ["/penjualan", "/pesanan", redirect, `${redirect}/struk`, "/notifikasi", "/stok?jenis=frame&cari=Tebal"]) {
    const page = await openTab(admin.context, path);
    if (!["/pesanan", "/notifikasi"].includes(path)) await until(async () => (await textOf(page, "main")).includes("<"), `${path} to show the name`);
    pages.push(page);
  }
  for (const page of pages) assert.equal(await page.locator("img:not(.swal2-image), main b:text('Tebal')").count(), 0, page.url());
  assert.deepEqual([...kasir.failures, ...admin.failures, ...pusat.failures], []);
});

test("an order that a colleague moves changes its lane on the board, and its line in the list, before one's eyes", async () => {
  const { context, page, failures } = await signIn(browser, demo.url, "kasir5");
  await page.goto("/pesanan");
  await untilStatus(page, "live");
  const card = (lane, id) => `section[aria-labelledby="lajur-${lane}"] #${id}`;
  const id = await page.locator('section[aria-labelledby="lajur-waiting"] article').first().getAttribute("id");
  const sale = Number(id.replace("pesanan-", ""));
  const list = await openTab(context, "/penjualan?pengerjaan=Menunggu%20Pengerjaan");
  await untilStatus(list, "live");
  await page.evaluate(() => { window.notReloaded = true; });

  await demo.sql("UPDATE penjualans SET status_pengerjaan = 'Sedang Dikerjakan' WHERE id = $1", [sale]);
  await page.waitForSelector(card("doing", id));
  assert.equal(await page.locator(card("waiting", id)).count(), 0);
  assert.equal(await page.evaluate(() => window.notReloaded), true, "drawn again, not loaded again");

  // a new one appears in the list that is open in the other tab
  const [{ kode }] = await demo.sql(
    `INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar)
     SELECT 'UJI-PAPAN', pasien_id, user_id, branch_id, 5000, 5000, 5000 FROM penjualans WHERE id = $1 RETURNING kode_penjualan AS kode`,
    [sale],
  );
  await list.bringToFront();
  await list.waitForSelector(`#daftar >> text=${kode}`);
  assert.deepEqual(failures, []);
});
