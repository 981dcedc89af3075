// Signing in, what is not there or not yours, and a day without JavaScript. Every page for every role: access.test.mjs.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, openTab, openWindow, sell, signIn, textOf } from "./lib.mjs";

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

test("signing in: a wrong word is refused in words, and the address leads on to where one wanted to go", async () => {
  const { context, failures } = await openWindow(browser, demo.url);
  const page = await openTab(context, "/stok?jenis=lensa");
  assert.equal(new URL(page.url()).pathname, "/login");
  await page.fill("[name=email]", "kasir1@melati.test");
  await page.fill("[name=password]", "salah sekali");
  await page.click("main form button");
  await page.waitForSelector("[role=alert]");
  assert.equal(await textOf(page, "[role=alert]"), "Surel atau kata sandi tidak cocok.");
  assert.equal(await page.inputValue("[name=email]"), "kasir1@melati.test");
  assert.equal(await page.inputValue("[name=password]"), "");
  await page.fill("[name=password]", "melati-demo");
  await page.click("main form button");
  await page.waitForURL((url) => url.pathname === "/stok" && url.searchParams.get("jenis") === "lensa");
  assert.deepEqual(failures, []);
});

test("what is not there and what is not yours is said in words, with a way back", async () => {
  const { context, page, failures } = await signIn(browser, demo.url, "kasir1");
  const elsewhere = await demo.value("select id from penjualans where branch_id = 2 limit 1");
  for (const path of ["/tidak-ada", "/penjualan/abc", `/penjualan/${elsewhere}`, "/stok/frame/99999999"]) {
    const answer = await page.goto(path);
    assert.equal(answer.status(), 404, path);
    assert.equal(await textOf(page, "h1"), "Halaman ini tidak ada");
    await page.click("text=Ke beranda");
    await page.waitForURL((url) => url.pathname === "/");
  }
  // Nothing leads a kasir to a price; an old tab of somebody who was an admin might.
  const frame = await demo.frame(1);
  await page.evaluate((id) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: `/stok/frame/${id}/harga` });
    for (const [name, value] of [["price", "1"], ["seen_price", "1"]]) {
      form.append(Object.assign(document.createElement("input"), { name, value }));
    }
    document.body.append(form);
    form.submit();
  }, frame.id);
  await page.waitForSelector("h1:text('Ini bukan untuk peran Anda')");
  assert.equal(await demo.value("select harga_jual_frame from frames where id = $1", [frame.id]), frame.price);
  const pusat = await openWindow(browser, demo.url);
  assert.equal((await pusat.context.request.get("/realtime/stream?topics=dashboard")).status(), 401);
  assert.deepEqual(failures, []);
  await context.close();
});

test("without JavaScript the pages still say what they know, and their forms still work", async () => {
  const { context } = await openWindow(browser, demo.url, { javaScriptEnabled: false });
  const page = await openTab(context, "/login");
  await page.fill("[name=email]", "admin1@melati.test");
  await page.fill("[name=password]", "melati-demo");
  await page.click("main form button");
  await page.waitForURL((url) => url.pathname === "/");
  const seller = await signIn(browser, demo.url, "kasir1");
  const frame = await demo.frame(1);
  const { kode_penjualan } = await sell(seller.context, { pasien_id: await demo.patient(1, "Tanpa Skrip"), frame });

  await page.goto("/");
  const total = await demo.value(
    `select sum(omset_bpjs + omset_umum)::bigint from penjualans p join branch_days d using (branch_id)
     where branch_id = 1 and p.created_at >= d.starts_at`);
  const main = (await page.locator("main").innerText()).replace(/\s+/g, " ");
  assert.ok(main.includes(`Rp ${total.toLocaleString("id-ID")}`), main);
  assert.ok(main.includes("Tanpa Skrip"), main);
  await page.click("[data-bell] summary");
  assert.ok((await page.locator("[data-bell] [data-notices]").innerText()).includes(kode_penjualan));
  await page.goto("/penjualan/create");
  assert.ok(await page.locator("noscript > .refusal").isVisible());

  await page.goto(`/stok?jenis=frame&cari=${frame.kode}`);
  await page.click(`#produk-${frame.id} a.btn`);
  await page.fill("#jumlah", "3");
  await page.click(".inline-form form button.btn-primary");
  await page.waitForURL((url) => url.pathname === "/stok" && !url.searchParams.has("buka"));
  assert.equal(await page.locator(`#produk-${frame.id} [data-stock]`).innerText(), String(frame.stok + 2));
  await page.locator("form[action='/logout'] button:visible").first().click();
  await page.waitForURL((url) => url.pathname === "/login");
});
