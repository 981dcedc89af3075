// What an admin and the head office look after in pages of their own, worked with scripts; the branch switcher; who is online.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, signIn, textOf, until, untilStatus, untilText } from "./lib.mjs";

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

/** A page that is left behind by a reload forgets this. */
const stay = (page) => page.evaluate(() => { window.stayed = true; });
const hasStayed = (page) => page.evaluate(() => window.stayed === true);
const submit = (page) => page.click("main form .btn-primary");

test("an admin hires, moves on a mistake without losing what was typed, and lets somebody go, whose screen leaves at once", async () => {
  const { page, failures } = await signIn(browser, demo.url, "admin1");
  await page.goto("/pengguna");
  await page.click("text=Pengguna baru");
  await page.fill("#name", "Bayu Pratama");
  await page.fill("#email", "bayu@melati.test");
  await page.click("label:has([name=role][value=kasir])");
  await submit(page);
  const first = (await textOf(page, ".first-password")) ?? "";
  await until(async () => /^\w{4}-\w{4}-\w{4}$/.test((await textOf(page, ".first-password")) ?? first), "the first password");
  await page.click("text=Sudah dicatat");
  await page.fill("[name=cari]", "bayu");
  await page.press("[name=cari]", "Enter");
  await page.click(".person-rows a:text('Bayu Pratama')");
  await untilText(page, "h1", "Bayu Pratama");
  await stay(page);
  await page.fill("#name", "Bayu Pratama Putra");
  await page.fill("#email", "kasir1@melati.test");
  await submit(page);
  await untilText(page, "#salah-email", /sudah dipakai/);
  assert.equal(await page.inputValue("#name"), "Bayu Pratama Putra");
  assert.ok(await hasStayed(page), "the page was not loaded again");
  assert.equal(await page.evaluate(() => document.activeElement.id), "email");
  await page.fill("#email", "bayu@melati.test");
  await submit(page);
  await page.waitForURL((url) => url.pathname === "/pengguna");
  assert.equal(await demo.value("select name from users where email = 'bayu@melati.test'"), "Bayu Pratama Putra");

  const shop = await signIn(browser, demo.url, "kasir1");
  await untilStatus(shop.page, "live");
  await page.goto(`/pengguna/${await demo.value("select id from users where email = 'kasir1@melati.test'")}`);
  await page.click("summary:text('Nonaktifkan akun')");
  await page.click("text=Ya, nonaktifkan");
  await shop.page.waitForURL((url) => url.pathname === "/login");
  await page.click("text=Aktifkan kembali");
  await page.waitForSelector("text=Nonaktifkan akun");
  assert.deepEqual(failures, []);
});

test("a patient is corrected, and who changed it meanwhile is not overwritten", async () => {
  const patient = await demo.patient(1, "Ratna Wulandari");
  const { page, failures } = await signIn(browser, demo.url, "admin1", { viewport: { width: 360, height: 760 } });
  await page.goto("/pasien");
  await page.fill("[name=cari]", "Ratna Wul");
  await page.press("[name=cari]", "Enter");
  await page.click(".patient-rows a:text('Ratna Wulandari')");
  await page.click("a:text-is('Ubah')");
  await page.fill("#od_cyl", "-0,5");
  await submit(page);
  await untilText(page, "#salah-od_axis", /aksis/);
  await page.fill("#od_axis", "90");
  await demo.sql("update pasiens set no_telepon = '0812 000 111' where id = $1", [patient]);
  await submit(page);
  await page.waitForSelector("main .refusal:not([hidden])");
  assert.equal(await page.inputValue("#od_axis"), "90");
  assert.equal(await demo.value("select no_telepon from pasiens where id = $1", [patient]), "0812 000 111");
  assert.deepEqual(failures, []);
});

test("the head office sets a rate, gives a branch its address, and is told what holds it back from being closed for good", async () => {
  const { page, failures } = await signIn(browser, demo.url, "superadmin");
  await page.goto("/tarif");
  await page.selectOption("#service_type", "BPJS I");
  await page.fill("#price", "350.000");
  await page.fill("#effective_from", "2031-01-01");
  await submit(page);
  await page.waitForSelector("text=akan datang");
  await page.click("[aria-label^='Hapus tarif BPJS I']");
  await page.waitForSelector("text=akan datang", { state: "detached" });

  await page.goto("/cabang/1");
  await stay(page);
  await page.fill("#telepon", "tanya satpam");
  await submit(page);
  await untilText(page, "#salah-telepon", /nomor telepon/);
  await page.fill("#alamat", "Jl. Kemang Raya 12, Jakarta Selatan");
  await page.fill("#telepon", "021-7179 0123");
  await page.click("text=untuk seterusnya >> nth=-1");
  await untilText(page, "[action$='/pensiun'] [data-refusal]", /pengguna masih aktif/);
  assert.ok(await hasStayed(page));
  await submit(page);
  await page.waitForURL((url) => url.pathname === "/cabang");
  await page.waitForSelector("main >> text=Jl. Kemang Raya 12");
  const sale = await demo.value("select max(id) from penjualans where branch_id = 1");
  await page.goto(`/penjualan/${sale}/struk?kertas=80mm`);
  await untilText(page, ".receipt header", /Jl\. Kemang Raya 12, Jakarta Selatan ?Telp 021-7179 0123/);

  // one that never began is closed, has no place among the others, and comes back
  await page.goto("/cabang/baru");
  await page.fill("#name", "Ternate");
  await page.fill("#kode", "tte");
  await page.selectOption("#timezone", "Asia/Jayapura");
  await submit(page);
  await page.click("main a:text('Ternate')");
  await page.click("[action$='/pensiun'] button");
  await page.waitForSelector("li:has-text('Ternate') >> text=/Ditutup/");
  const id = await demo.value("select id from branches where kode = 'TTE'");
  await demo.sql("update branches set retired_at = now() - interval '2 days' where id = $1", [id]);
  await page.goto("/");
  await untilStatus(page, "live");
  assert.equal(await page.locator(`tr[data-row="${id}"]`).count(), 0);
  await page.goto(`/cabang/${id}`);
  await page.click("text=Buka lagi cabang ini");
  await page.waitForSelector("[action$='/pensiun']");
  await page.goto("/");
  await page.waitForSelector(`tr[data-row="${id}"]`);
  assert.deepEqual(failures, []);
});

test("the branch switcher: one branch's figures, streams and navigation, and back to all; other tabs keep theirs", async () => {
  const { context, page, failures } = await signIn(browser, demo.url, "superadmin");
  const name = await demo.value("select name from branches where id = 1");
  const other = await context.newPage();
  await other.goto("/");
  for (const tab of [page, other]) await untilStatus(tab, "live");
  await page.click(".switcher summary");
  await page.click(`.switcher button:text-is("${name}")`);
  await untilText(page, ".switcher summary strong", name);
  await untilStatus(page, "live");
  assert.equal(await page.getAttribute(".switcher [aria-current]", "value"), "1");
  await page.waitForSelector(".sidebar a[href='/penjualan/create']");
  const total = await demo.value(`select coalesce(sum(total), 0)::bigint from penjualans p join branch_days d using (branch_id)
    where branch_id = 1 and dibatalkan_at is null and created_at >= d.starts_at`);
  const figure = (tab) => tab.evaluate(() => Number(document.querySelector(".figure").textContent.replace(/\D/g, "")));
  assert.equal(await figure(page), total);
  // a change elsewhere is not for this page; the tab that shows all hears it
  await stay(other);
  await demo.sql("update branches set name = 'Depok Baru' where id = (select max(id) from branches where id <> 1)");
  await other.waitForSelector("main table >> text=Depok Baru");
  assert.equal(await page.locator("main >> text=Depok Baru").count(), 0);
  assert.ok(await hasStayed(other), "the other tab goes on with all branches");

  // by keyboard, and on a phone from Lainnya
  await page.focus(".switcher summary");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Semua cabang");
  await page.keyboard.press("Enter");
  await untilText(page, "h1", "Semua cabang");
  await page.setViewportSize({ width: 360, height: 760 });
  await page.goto("/lainnya");
  await page.click(`main button:text-is("${name}")`);
  await untilText(page, "h1", "Beranda");
  assert.equal(await page.getAttribute("body", "data-branch-id"), "1");
  assert.deepEqual(failures, []);
});

test("who is online stands on the chain's dashboard as they come and go", async () => {
  const { page, failures } = await signIn(browser, demo.url, "superadmin");
  await untilStatus(page, "live");
  const kasir = await demo.value("select name from users where email = 'kasir2@melati.test'");
  const row = `[data-list="monitoring:online"] li:has-text("${kasir}")`;
  assert.equal(await page.locator(row).count(), 0);
  const shop = await signIn(browser, demo.url, "kasir2");
  await page.waitForSelector(row);
  await shop.context.close();
  await page.waitForSelector(row, { state: "detached" });
  assert.deepEqual(failures, []);
});

test("on a tablet of 820 px nothing is cut off, the rail has its names, and what is pressed is big enough", async () => {
  const sale = await demo.value("select max(id) from penjualans where branch_id = 1");
  const frame = await demo.frame(1);
  const pages = {
    kasir1: ["/", "/penjualan/create", "/pesanan", "/stok", "/penjualan", `/penjualan/${sale}`, `/penjualan/${sale}/struk`, "/pasien", "/notifikasi"],
    admin1: ["/", "/?rentang=7", "/stok", `/stok?buka=${frame.id}&ubah=koreksi&cari=${frame.kode}`, `/stok/frame/${frame.id}`, "/peringatan", "/laporan", "/pengguna", "/pantauan"],
    superadmin: ["/", "/?rentang=30", "/cabang", "/cabang/1", "/tarif", "/audit"],
  };
  const problems = [];
  for (const [who, paths] of Object.entries(pages)) {
    const { context, page, failures } = await signIn(browser, demo.url, who, { viewport: { width: 820, height: 1180 }, hasTouch: true });
    for (const path of paths) {
      await page.goto(path);
      const found = await page.evaluate(() => {
        const wide = document.documentElement.scrollWidth > innerWidth ? [`${document.documentElement.scrollWidth} px wide`] : [];
        const seen = [...document.querySelectorAll("main button, main a.btn, main input:not([type=hidden]), main select, main summary")].filter((one) => one.checkVisibility?.() ?? true);
        const cut = seen.filter((one) => {
          const box = one.getBoundingClientRect();
          return box.width > 4 && !one.closest(".scroll-rows, .table-scroll, .segmented, .board, [class*=scroll]") && (box.left < 0 || box.right > innerWidth + 1);
        }).map((one) => `${one.outerHTML.slice(0, 80)} is cut off`);
        const nameless = [...document.querySelectorAll(".sidebar a, .sidebar button")].filter((one) => !one.textContent.trim()).map((one) => `${one.outerHTML.slice(0, 60)} has no name`);
        const covered = [...document.querySelectorAll(".pay-bar :is(strong, a)")].filter((one) => {
          const { left, top, height } = one.getBoundingClientRect();
          return !one.contains(document.elementFromPoint(left + 2, top + height / 2));
        }).map((one) => `${one.outerHTML.slice(0, 60)} is covered`);
        return [...wide, ...cut, ...nameless, ...covered];
      });
      problems.push(...found.map((one) => `${who} ${path}: ${one}`));
    }
    problems.push(...failures);
    await context.close();
  }
  assert.deepEqual(problems, []);
});
