// Reports in a browser: they are read, printed and downloaded without a script, and nothing of them is too wide or too small.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { Demo, launch, signIn } from "./lib.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let demo, browser;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  await demo.openDay(1);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const REPORTS = ["perbandingan", "jam-ramai", "bpjs-umum", "kekurangan", "produk", "stok-mati", "stok-rendah", "pergerakan-stok"];

test("an admin reads every report on a phone and a desk, light and dark", async () => {
  for (const [width, colorScheme] of [[360, "light"], [1280, "dark"]]) {
    const { context, page } = await signIn(browser, demo.url, "admin1", { viewport: { width, height: 800 }, colorScheme });
    for (const path of ["/laporan", "/laporan/harian", ...REPORTS.map((slug) => `/laporan/${slug}?periode=90-hari`)]) {
      await page.goto(path);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(tooWide, 0, `${path} is too wide at ${width}`);
      await page.evaluate(axe); // not as a script of the page: its policy would rightly refuse that
      const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `${path} at ${width}, ${colorScheme}`);
    }
    await context.close();
  }
});

test("a report is chosen, narrowed and downloaded", async () => {
  const { context, page } = await signIn(browser, demo.url, "superadmin");
  await page.goto("/laporan");
  await page.click("text=Jam ramai");
  await page.click("nav[aria-label=Masa] >> text=90 hari");
  const sold = await demo.value("select count(*) from penjualans p join branches b on b.id = p.branch_id join branch_days d using (branch_id) where dibatalkan_at is null and (p.created_at at time zone b.timezone)::date > d.tanggal - 90");
  const shown = async () => (await page.locator(".heat td").allTextContents()).reduce((sum, text) => sum + Number(text), 0);
  assert.equal(await shown(), sold, "the map has every sale");
  await page.selectOption("#cabang", { index: 1 });
  await page.click("text=Tampilkan");
  const ofOne = await shown();
  assert.ok(ofOne > 0 && ofOne < sold, "of one branch there are fewer");

  const [download] = await Promise.all([page.waitForEvent("download"), page.click("a[download]")]);
  const file = await readFile(await download.path(), "utf8");
  assert.match(download.suggestedFilename(), /^melati-jam-ramai-jam-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  assert.equal(file.trim().split("\r\n").slice(1).reduce((sum, line) => sum + Number(line.split(";")[2]), 0), ofOne);
  await context.close();
});

test("the day is closed, and its sheet fits one page of A4 and of A5", async () => {
  const { context, page } = await signIn(browser, demo.url, "kasir1");
  await page.click("a:visible:has-text('Laporan harian')");
  await page.waitForURL(/laporan\/harian\/hari-ini/);
  assert.match(await page.textContent("article"), /Uang tunai yang harus ada di laci/);
  for (const width of [360, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(tooWide, 0, `the day's sheet is too wide at ${width}`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `the day's sheet at ${width}`);
  }
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("a[download]")]);
  assert.match(download.suggestedFilename(), /^melati-harian-1-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  assert.match(await readFile(await download.path(), "utf8"), /;Uang;Tunai;Jumlah;;-?\d+/);
  for (const format of ["A4", "A5"]) {
    const pdf = (await page.pdf({ format, preferCSSPageSize: false })).toString("latin1");
    assert.equal(pdf.match(/\/Type \/Page\b(?!s)/g).length, 1, `one page of ${format}`);
  }
  await page.goto("/laporan");
  assert.match(await page.textContent("main"), /Peran Anda tidak punya akses/);
  await context.close();
});
