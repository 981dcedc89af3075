// A whole day of a shop, by hand and through the pages alone: opened, sold to BPJS, umum and Naik Kelas, out of a frame, stocked
// again, an order finished and handed over, closed, and read in the report.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, openTab, openTill, rupiah, sell as sellElsewhere, signIn, until, untilFirstLook, untilStatus, untilText, violations } from "./lib.mjs";

let demo;
let browser;
before(async () => ([demo, browser] = await Promise.all([Demo.start(), launch()])));
afterEach(() => closeWindows(browser));
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const grouped = (amount) => rupiah(amount).slice(3);

test("a shop day: open, sell to BPJS, umum and Naik Kelas, run out, restock, hand over, close, read the report", async () => {
  // this branch has had no day yet
  await demo.sql("delete from open_days o using branch_days d where o.branch_id = 1 and d.branch_id = 1 and o.tanggal = d.tanggal");
  const [covered, plain, last] = [
    await demo.frame(1, "jenis_frame = 'BPJS II' and harga_jual_frame <= 220000"),
    await demo.frame(1, "jenis_frame = 'Umum' and harga_jual_frame > 500000"),
    await demo.frame(1, "jenis_frame = 'Umum' and harga_jual_frame > 500000"),
  ];
  // enough, by one
  const plenty = (await demo.value("select stok_minimum from frames where id = $1", [last.id])) + 1;
  await demo.setStock(last, plenty);
  await demo.patient(1, "Hari BPJS", "BPJS II");
  await demo.patient(1, "Hari Umum");
  const sums = () => demo.row(
    `select count(*) as sales, coalesce(sum(total), 0)::bigint as total, coalesce(sum(omset_bpjs), 0)::bigint as bpjs from penjualans p
     join branch_days d using (branch_id) where branch_id = 1 and dibatalkan_at is null and p.created_at >= d.starts_at`);

  const kasir = await signIn(browser, demo.url, "kasir1", { reducedMotion: "reduce" }); // a colour that is on its way has no contrast
  const admin = await signIn(browser, demo.url, "admin1", { reducedMotion: "reduce" });
  const home = kasir.page;
  await Promise.all([untilStatus(home, "live"), untilStatus(admin.page, "live")]);
  await untilText(home, "[data-day-line]", "Belum dibuka hari ini");

  // in the morning
  await home.click("form[action^='/hari/buka'] button");
  for (const page of [home, admin.page]) await untilText(page, "[data-day-line]", /^Buka sejak \d\d:\d\d WIB$/);

  // a colleague sells most of a frame: the admin is asked, once, and answers
  await untilFirstLook(admin.page);
  const rush = { pasien_id: await demo.patient(1, "Hari Borongan"), frame: last, quantity: plenty - 1 };
  await sellElsewhere(admin.context, { ...rush, metode: "transfer", jumlah: rush.quantity * last.price, diterima: rush.quantity * last.price });
  const question = ".swal2-popup.popup";
  await admin.page.waitForSelector(question);
  await untilText(admin.page, question, new RegExp(last.merk.replace(/[^\w ]/g, ".")));
  assert.deepEqual(await violations(admin.page), [], "axe, with the question on the screen");
  await admin.page.click(`${question} button:has-text("Tanggapi")`);
  await admin.page.waitForSelector(question, { state: "detached" });
  const start = await sums();

  // three sales, one after the other
  const sell = async (patient, frame, method, check) => {
    const till = await openTill(kasir.context);
    await till.fill("#pasien", patient);
    await untilText(till, "#hasil-pasien .name", patient);
    await till.press("#pasien", "Enter");
    await untilText(till, "[data-patient-name]", patient);
    await till.fill("#cari", frame.kode);
    await till.press("#cari", "Enter");
    await till.waitForSelector(`.cart-line[data-key="Frame:${frame.id}"]`);
    await check(till);
    await till.click(`.pay label:has([value=${method}])`);
    await till.keyboard.press("F9");
    await till.waitForURL(/\/struk$/);
    const id = Number(till.url().split("/").at(-2));
    await till.close();
    return demo.row("select id, kode_penjualan as kode, total, omset_bpjs, omset_umum, transaction_status from penjualans where id = $1", [id]);
  };
  const bpjs = await sell("Hari BPJS", covered, "tunai", (till) => untilText(till, ".cart [data-omset-umum]", rupiah(0)));
  const umum = await sell("Hari Umum", plain, "qris", (till) => untilText(till, ".cart [data-omset-umum]", rupiah(plain.price)));
  const up = await sell("Hari BPJS", last, "tunai", async (till) => {
    await untilText(till, ".cart-line [data-line-upgrade]", "Naik Kelas");
    await untilText(till, ".cart [data-omset-umum]", rupiah(last.price - 220_000));
    assert.deepEqual(await violations(till), [], "axe, on a till that is full");
  });
  assert.deepEqual([bpjs.omset_umum, umum.omset_bpjs, up.omset_bpjs, up.transaction_status], [0, 0, 220_000, "Naik Kelas"]);

  // that was the last piece: nobody sells it until the admin has stocked again, and an open till sees both
  const till = await openTill(kasir.context);
  await till.fill("#cari", last.kode);
  await till.waitForSelector(`#hasil [data-product="Frame:${last.id}"][aria-disabled=true]`);
  await admin.page.goto(`/stok/frame/${last.id}`);
  await admin.page.click('.inline-form nav a:text-is("Restok")');
  await admin.page.fill("#jumlah", "8");
  await admin.page.click(".inline-form form button.btn-primary");
  await untilText(till, `#hasil [data-product="Frame:${last.id}"] [data-stock]`, "8");
  await till.close();

  // the order of the morning is made, and handed over
  const board = await openTab(kasir.context, "/pesanan?cari=Hari%20Umum");
  const card = (lane) => board.waitForSelector(`[aria-labelledby=lajur-${lane}] #pesanan-${umum.id}`);
  for (const lane of ["waiting", "doing", "ready"]) {
    await card(lane);
    await board.click(`#pesanan-${umum.id} button.btn-quiet`);
  }
  await card("taken");
  await board.close();

  // in the evening
  await home.bringToFront();
  await home.click("form[action^='/hari/tutup'] button");
  for (const page of [home, admin.page]) await untilText(page, "[data-day-line]", /^Ditutup \d\d:\d\d WIB$/);
  const end = await sums();
  assert.deepEqual([end.sales - start.sales, end.total - start.total, end.bpjs - start.bpjs],
    [3, bpjs.total + umum.total + up.total, bpjs.omset_bpjs + 220_000]);

  const report = await openTab(admin.context, "/laporan/harian");
  await report.click("main .rows a");
  await report.waitForSelector(".closing");
  assert.equal(await report.locator(".closing-note").count(), 0, "it is closed: to be printed and signed");
  const total = report.locator("section[aria-labelledby=judul-jual] tfoot td:last-child");
  assert.equal((await total.textContent()).trim(), grouped(end.total));
  const qris = await demo.value(
    `select coalesce(sum(jumlah), 0)::bigint from pembayarans b join penjualans p on p.id = b.penjualan_id join branch_days d on d.branch_id = p.branch_id
     where p.branch_id = 1 and b.metode = 'qris' and b.created_at >= d.starts_at`);
  await until(async () => (await report.locator(".closing tr:has(th:text-is('QRIS')) td:last-child").textContent()).trim() === grouped(qris), "what came by QRIS");
  await report.click("[data-print]");
  assert.equal(await report.evaluate(() => window.printed), 1);
  assert.deepEqual([...kasir.failures, ...admin.failures], []);
});

test("axe on what opens: menus, the sheet of keys, a new patient, the camera, toasts", async () => {
  await demo.openDay(1);
  const { context, page, failures } = await signIn(browser, demo.url, "admin1", { viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
  await untilStatus(page, "live");
  for (const menu of await page.locator("header details > summary:visible").all()) {
    await menu.click();
    assert.deepEqual(await violations(page), [], await menu.textContent());
    await page.keyboard.press("Escape");
  }
  await demo.sql(`update penjualans set status_pengerjaan = 'Siap Diambil' where id = (select id from penjualans
    where branch_id = 1 and status_pengerjaan = 'Sedang Dikerjakan' and dibatalkan_at is null limit 1)`);
  await page.waitForSelector(".swal2-toast");
  assert.deepEqual(await violations(page), [], "a toast");

  const till = await openTill(context);
  await till.click("[data-keys-open]");
  assert.deepEqual(await violations(till), [], "the sheet of keys");
  await till.keyboard.press("Escape");
  await till.click("[data-patient-new]");
  await till.selectOption("#service_type", "BPJS III");
  await till.fill("#nama_pasien", "Sri Wahyuni");
  await till.click("[data-resep] summary");
  await till.fill("[name=od_cyl]", "-0,50");
  await till.click("[data-patient-form] button[type=submit]");
  await till.waitForSelector("[data-error-for]:not([hidden])");
  assert.deepEqual(await violations(till), [], "a new patient, refused");
  await till.click("[data-camera-open]");
  await till.waitForSelector("[data-camera]:not([hidden])");
  assert.deepEqual(await violations(till), [], "the camera");
  assert.deepEqual(failures, []);
});
