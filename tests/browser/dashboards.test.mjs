// The dashboards and what stands on every page: the hours of today, the timeframes, the worst ten, the day's line. What one
// person does moves the others' screens; and all of it reads without a script.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, openTab, openWindow, rupiah, sell, signIn, textOf, until, untilStatus, untilText, wearing } from "./lib.mjs";

let demo;
let browser;
let patient;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
  await demo.openDay(1);
  patient = await demo.patient(1, "Nyoman Sari");
});
afterEach(() => closeWindows(browser));
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const amount = (text) => Number(text.replace(/\D/g, ""));

/** What the tables say of the last days of branch 1, in the branch's own days; of one kasir, if named. */
const taken = (days, email = null) => demo.value(
  `select coalesce(sum(p.total), 0)::bigint from penjualans p join branch_days d using (branch_id) join users u on u.id = p.user_id
   where p.branch_id = 1 and p.dibatalkan_at is null and p.created_at >= d.starts_at - ($1 - 1) * interval '1 day' and ($2::text is null or u.email = $2)`,
  [days, email]);

/** What is to stand beside `total` of branch 1: how much more or less than yesterday at this hour, when nothing may have been sold yet. */
async function againstYesterday(total) {
  const yesterday = await demo.value(
    `select coalesce(sum(total), 0)::bigint from penjualans p join branch_days d using (branch_id) where branch_id = 1 and dibatalkan_at is null
     and created_at >= d.starts_at - interval '1 day' and created_at < now() - interval '1 day'`);
  if (yesterday === 0) return { way: "", text: "–" };
  const percent = Math.round((100 * Math.abs(total - yesterday)) / yesterday);
  return { way: percent === 0 ? "flat" : total > yesterday ? "up" : "down", text: percent > 999 ? "> 999%" : `${percent}%` };
}

/** A page that is left behind by a reload forgets this. */
const stay = (page) => page.evaluate(() => { window.stayed = true; });
const hasStayed = (page) => page.evaluate(() => window.stayed === true);

/** How many pixels of the chart have the colour of this token, as it is in the page's theme now. */
const pixelsOf = (page, token) => page.evaluate((name) => {
  const canvas = document.querySelector("[data-chart] canvas");
  const brush = document.createElement("canvas").getContext("2d");
  brush.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  brush.fillRect(0, 0, 1, 1);
  const wanted = brush.getImageData(0, 0, 1, 1).data;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) if ([0, 1, 2].every((part) => data[at + part] === wanted[part]) && data[at + 3] === 255) count += 1;
  return count;
}, token);

test("a sale raises the running hour on the admin's chart, in its words and in its table, in both themes", async () => {
  const admin = await signIn(browser, demo.url, "admin1", { storageState: wearing("light") });
  const { page } = admin;
  await untilStatus(page, "live");
  await page.waitForSelector("[data-chart] canvas");
  await stay(page);
  const cells = (await page.locator("[data-hour] [data-bind]").allTextContents()).map(amount);
  const total = await taken(1);
  assert.equal(amount(await textOf(page, ".figure")), total);

  const seller = await signIn(browser, demo.url, "kasir1");
  const frame = await demo.frame(1, "jenis_frame = 'Umum' and harga_jual_frame > 300000");
  // so many that this hour, whichever it is, is the best of the day, the picture must say so, and beside the other two days it is no stub
  const all = (await page.locator("[data-hour] td").allTextContents()).map(amount);
  const quantity = Math.ceil(Math.max(...all) / frame.price) + 1;
  const sold = quantity * frame.price;
  await demo.setStock(frame, quantity + 20);
  const { id } = await sell(seller.context, { pasien_id: patient, frame, quantity, metode: "tunai", jumlah: sold, diterima: sold });
  const hourOf = "extract(hour from $1::timestamptz at time zone timezone)::int from branches where id = 1";
  const hour = await demo.value(`select ${hourOf.replace("$1", "(select created_at from penjualans where id = $1)")}`, [id]);
  const runsOn = async () => (await demo.value(`select ${hourOf.replace("$1", "now()")}`)) === hour;
  await untilText(page, `[data-hour="${hour}"] [data-bind]`, rupiah(cells[hour] + sold));
  await untilText(page, ".figure", rupiah(total + sold));
  await until(async () => (await page.getAttribute("[data-chart-stage]", "aria-label")).replace(/\s/g, " ").includes(`pukul ${String(hour).padStart(2, "0")}.00, ${rupiah(cells[hour] + sold)};`),
    "the picture's words to name the best hour");
  const standsOut = async () => (await pixelsOf(page, "payer-bpjs")) > 500 || !(await runsOn());
  await until(standsOut, "the running hour to stand out in its colour");
  assert.equal(await page.locator("[data-hour]:not([hidden])").count() >= 12, true);

  await page.evaluate(() => { document.documentElement.dataset.bsTheme = "dark"; });
  await until(standsOut, "the same in the other theme");
  assert.equal(await pixelsOf(page, "surface") > 0, true, "a line has a halo of the surface it lies on");

  await until(async () => (await textOf(page, "[data-delta$='kemarin_jam_segini'] [data-delta-text]")) === (await againstYesterday(total + sold)).text, "how it is against yesterday");
  assert.ok(await hasStayed(page), "nothing was loaded again");
  // this test reads the picture's pixels, which the browser finds slow
  assert.deepEqual([...admin.failures, ...admin.complaints.filter((said) => !said.startsWith("Canvas2D"))], []);
});

test("seven and thirty days are one's own, and today's part moves", async () => {
  const rina = await signIn(browser, demo.url, "kasir1");
  const agus = await signIn(browser, demo.url, (await demo.value(
    "select email from users where branch_id = 1 and role = 'kasir' and email <> 'kasir1@melati.test' and is_active order by id limit 1")).split("@")[0]);
  const { page } = rina;
  const figure = "#omset-rentang";
  for (const days of [7, 30]) {
    await page.click(`text="${days} hari"`);
    await page.waitForURL((url) => url.searchParams.get("rentang") === String(days));
    assert.equal(await textOf(page, ".segmented [aria-current]"), `${days} hari`);
    assert.equal(await textOf(page, figure), rupiah(await taken(days, "kasir1@melati.test")));
    assert.equal(await page.locator(".days tbody tr").count(), days);
  }
  await untilStatus(page, "live");
  await stay(page);
  const before = await taken(30, "kasir1@melati.test");
  const frame = await demo.frame(1, "jenis_frame = 'Umum'");
  // a colleague's sale is not hers; hers, which comes after it, is
  await sell(agus.context, { pasien_id: patient, frame, metode: "qris", jumlah: frame.price, diterima: frame.price });
  await sell(rina.context, { pasien_id: patient, frame, metode: "qris", jumlah: frame.price, diterima: frame.price });
  await untilText(page, figure, rupiah(before + frame.price));
  assert.equal(await page.getAttribute(figure, "data-pulse"), "on");
  await untilText(page, ".days tbody tr td:last-child", rupiah(await taken(1, "kasir1@melati.test")));
  assert.ok(await hasStayed(page));

  const { page: branch } = await signIn(browser, demo.url, "admin1");
  await branch.goto("/?rentang=7");
  assert.equal(await textOf(branch, figure), rupiah(await taken(7)));
  assert.deepEqual([...rina.failures, ...rina.complaints], []);
});

test("the navbar's worst ten: live, and never exchanged under the hand", async () => {
  const { page, failures, complaints } = await signIn(browser, demo.url, "kasir1", { viewport: { width: 1280, height: 900 } });
  await page.goto("/penjualan");
  await untilStatus(page, "live");
  await page.click("[data-worst-menu] summary");
  const rows = page.locator("[data-worst-menu] [data-product]");
  await until(async () => (await rows.count()) === 10, "ten products");
  const shown = () => rows.evaluateAll((all) => all.map((row) => row.dataset.product));
  const isOrdered = await rows.evaluateAll((all) => all.map((row) => `${row.querySelector(".stock").dataset.level} ${row.querySelector("[data-stock]").textContent}`));
  assert.ok(isOrdered.every((row, place) => /^(low|out)/.test(row) || !/^(low|out)/.test(isOrdered[place + 1] ?? "")), `low before medium: ${isOrdered}`);

  await page.mouse.move(200, 600); // no hand on the list
  const gone = await demo.frame(1);
  await demo.setStock(gone, 0);
  await until(async () => (await shown()).includes(`Frame:${gone.id}`), "what ran out to be listed");
  assert.equal(await page.getAttribute("[data-worst-menu] .panel-foot a", "href"), "/stok?level=low");
  await page.click(`[data-worst-menu] [data-product="Frame:${gone.id}"] a`);
  await page.waitForURL((url) => url.pathname === `/stok/frame/${gone.id}`);

  // The dashboard has the list twice: what is exchanged in the panel, on which there is no hand, was not lost in the menu.
  for (const table of ["frames", "lensas", "aksesoris"]) await demo.sql(`update ${table} set stok = 1 where branch_id = 1 and stok = 0`);
  await page.goto("/");
  await untilStatus(page, "live");
  await stay(page);
  await page.click("[data-worst-menu] summary");
  await until(async () => (await rows.count()) === 10, "ten products again");
  const order = await shown();
  const last = order[9];
  await page.hover(`[data-worst-menu] [data-product="${last}"]`);
  const next = await demo.frame(1);
  await demo.setStock(next, 0);
  const [kind, id] = last.split(":");
  await demo.sql(`update ${{ Frame: "frames", Lensa: "lensas", Aksesoris: "aksesoris" }[kind]} set stok = 3 where id = $1`, [id]);
  await untilText(page, `[data-worst-menu] [data-product="${last}"] [data-stock]`, "3");
  await until(async () => (await page.locator("main [data-worst] [data-product]").first().getAttribute("data-product")) === `Frame:${next.id}`, "the worst to come first in the panel");
  assert.deepEqual(await shown(), order, "under the hand the numbers are live, and the rows stay where they are");
  await page.mouse.move(200, 600);
  await until(async () => (await shown())[0] === `Frame:${next.id}`, "the list to be exchanged once the hand has left it");
  assert.ok(await hasStayed(page));
  assert.deepEqual([...failures, ...complaints], []);
});

test("the day that a kasir closes is closed on every page of every window", async () => {
  await demo.openDay(1);
  const rina = await signIn(browser, demo.url, "kasir1");
  const stock = await openTab((await signIn(browser, demo.url, "admin1")).context, "/stok");
  const owner = await openTab((await signIn(browser, demo.url, "superadmin")).context, "/akun");
  const line = "[data-day-line]";
  const chain = await openTab(owner.context(), "/");
  for (const page of [rina.page, stock, owner, chain]) await untilStatus(page, "live");
  await untilText(stock, line, /^Buka sejak \d\d:\d\d WIB$/);
  const [, open] = /^8 cabang, (\d) buka$/.exec(await textOf(owner, line));
  await Promise.all([stock, owner, rina.page].map(stay));

  await rina.page.click("form[action^='/hari/tutup'] button");
  for (const page of [stock, rina.page]) await untilText(page, line, /^Ditutup \d\d:\d\d WIB$/);
  await untilText(owner, line, `8 cabang, ${open - 1} buka`);
  await untilText(chain, "[data-open-branches]", `${open - 1} dari 8`);
  assert.ok(await rina.page.locator("text=/Hari ditutup \\d\\d:\\d\\d/").isVisible(), "its own panel says since when");
  await rina.page.click("form[action^='/hari/buka'] button");
  // its own, too: a window that is closed while it is being led on may never say that it is closed
  for (const page of [stock, rina.page]) await untilText(page, line, /^Buka sejak \d\d:\d\d WIB$/);
  await untilStatus(rina.page, "live");
  await untilText(owner, line, `8 cabang, ${open} buka`);
  for (const page of [stock, owner]) assert.ok(await hasStayed(page));
});

test("the board in figures and the branches side by side follow", async () => {
  await demo.openDay(1);
  const { page: admin } = await signIn(browser, demo.url, "admin1");
  const { page: owner, failures, complaints } = await signIn(browser, demo.url, "superadmin");
  await Promise.all([untilStatus(admin, "live"), untilStatus(owner, "live")]);
  await Promise.all([stay(admin), stay(owner)]);
  const orders = (status) => demo.value("select count(*) from penjualans where branch_id = 1 and status_pengerjaan = $1 and dibatalkan_at is null", [status]);
  const lane = "#lajur-doing > .strong";
  assert.equal(await textOf(admin, lane), String(await orders("Sedang Dikerjakan")));
  await demo.sql(`update penjualans set status_pengerjaan = 'Sedang Dikerjakan' where id =
    (select id from penjualans where branch_id = 1 and status_pengerjaan = 'Menunggu Pengerjaan' limit 1)`);
  await untilText(admin, lane, await orders("Sedang Dikerjakan"));

  const seller = await signIn(browser, demo.url, "kasir1");
  await untilStatus(seller.page, "live");
  assert.equal(await textOf(seller.page, "#siap-jumlah"), String(await orders("Siap Diambil")));
  await demo.sql(`update penjualans set status_pengerjaan = 'Siap Diambil' where id =
    (select id from penjualans where branch_id = 1 and status_pengerjaan = 'Sedang Dikerjakan' and dibatalkan_at is null limit 1)`);
  await untilText(seller.page, "#siap-jumlah", await orders("Siap Diambil"));
  const frame = await demo.frame(1, "jenis_frame = 'Umum'");
  const row = '[data-list="dashboard:per_cabang"] [data-row="1"]';
  const before = await taken(1);
  assert.equal(await textOf(owner, `${row} [data-field=total_omset]`), rupiah(before));
  await sell(seller.context, { pasien_id: patient, frame });
  await untilText(owner, `${row} [data-field=total_omset]`, rupiah(before + frame.price));
  await until(async () => (await owner.getAttribute(`${row} .only-wide [data-field-delta]`, "data-way")) === (await againstYesterday(before + frame.price)).way, "the way to point");
  assert.ok((await hasStayed(admin)) && (await hasStayed(owner)));
  assert.deepEqual([...failures, ...complaints], []);
});

test("without JavaScript there is a picture, its numbers, the timeframes and the way to what is low", async () => {
  const { context } = await openWindow(browser, demo.url, { javaScriptEnabled: false });
  const page = await openTab(context, "/login");
  await page.fill("[name=email]", "admin1@melati.test");
  await page.fill("[name=password]", "melati-demo");
  await page.click("main form button");
  await page.waitForURL((url) => url.pathname === "/");
  assert.ok(await page.locator("[data-chart] svg .yesterday").isVisible());
  assert.ok(await page.locator("[data-chart] svg rect").count() >= 12);
  assert.match(await page.getAttribute("[data-chart-stage]", "aria-label"), /^Omset per jam\. /);
  await page.click("text=Angka per jam");
  const hours = await page.locator("[data-hour] td:nth-child(2)").allInnerTexts();
  assert.equal((await page.locator("[data-hour] [data-bind]").allTextContents()).reduce((sum, text) => sum + amount(text), 0), await taken(1));
  assert.ok(hours.length === 24);
  for (const path of ["/", "/pesanan"]) {
    await page.goto(path);
    assert.equal(await page.locator("[data-worst-menu] [data-product]:visible").count(), 0);
    await page.click("[data-worst-menu] summary");
    const shown = await page.locator("[data-worst-menu] [data-product]:visible").evaluateAll((rows) => rows.map((row) => row.dataset.product));
    const worst = await demo.sql("select product_type || ':' || product_id as product from products where branch_id = 1 and alert_level <> 'normal' order by alert_level = 'medium', stok, product_type, product_id limit 10");
    assert.deepEqual(shown, worst.map(({ product }) => product), path);
  }
  await page.click("[data-worst-menu] >> text=Lihat semua");
  await page.waitForURL((url) => url.pathname === "/stok" && url.searchParams.get("level") === "low");
  await page.goto("/");
  await page.click('text="7 hari"');
  assert.equal((await page.locator("#omset-rentang").innerText()).replace(/\s/g, " "), rupiah(await taken(7)));
});

test("each branch has the line of its last seven days, whose end moves; and the branches can be ordered by omset", async () => {
  await demo.openDay(1);
  const { page, failures, complaints } = await signIn(browser, demo.url, "superadmin", { viewport: { width: 1280, height: 900 } });
  const rows = page.locator('[data-list="dashboard:per_cabang"] [data-row]');
  const spark = page.locator('[data-list="dashboard:per_cabang"] [data-row="1"] .spark');
  const past = (await demo.sql(
    `select coalesce(sum(p.total), 0)::bigint as total from branch_days d cross join generate_series(6, 1, -1) back
     left join penjualans p on p.branch_id = d.branch_id and dibatalkan_at is null
       and p.created_at >= d.starts_at - back * interval '1 day' and p.created_at < d.starts_at - (back - 1) * interval '1 day'
     where d.branch_id = 1 group by back order by back desc`)).map(({ total }) => total);
  assert.equal(await spark.getAttribute("data-past"), past.join(" "));
  // the line as it has to be, from the tables
  const line = (today) => {
    const all = [...past, today];
    return `M${all.map((amount, day) => `${((day * 100) / 6).toFixed(1)} ${(28 - (26 * amount) / Math.max(...all)).toFixed(1)}`).join("L")}`;
  };
  // and a bar as long as its takings are beside the highest, of BPJS's part and the patients'
  const isBarRight = async () => {
    const rows = await demo.sql(`select branch_id, coalesce(sum(omset_bpjs) filter (where created_at >= d.starts_at), 0)::bigint as bpjs, coalesce(sum(total) filter (where created_at >= d.starts_at), 0)::bigint as total
      from branch_days d left join penjualans p using (branch_id) where p.dibatalkan_at is null group by branch_id`);
    const best = Math.max(...rows.map(({ total }) => total));
    const bars = await page.locator("tbody [data-field-bar]").evaluateAll((all) => all.map((bar) => [bar.closest("tr").dataset.row, ...[".bpjs", ".umum"].map((part) => parseFloat(bar.querySelector(part).getAttribute("width")))]));
    return bars.every(([id, ...widths]) => {
      const { bpjs, total } = rows.find(({ branch_id }) => String(branch_id) === id);
      const wanted = [bpjs, total - bpjs].map((part) => (100 * part) / best);
      return widths.every((width, part) => Math.abs(width - wanted[part]) < 0.6);
    });
  };
  assert.ok(await isBarRight(), "the server draws the bars");
  const drawn = () => spark.locator("path:not(.area)").getAttribute("d");
  assert.equal(await drawn(), line(await taken(1)), "the server draws it");

  await page.click("th a:has-text('Omset')");
  await page.waitForURL((url) => url.searchParams.get("urut") === "omset");
  assert.equal(await page.getAttribute("th.sorted", "aria-sort"), "descending");
  const totals = async () => (await rows.locator("[data-field=total_omset]").allTextContents()).map(amount);
  const isOrdered = async () => (await totals()).every((total, place, all) => place === 0 || all[place - 1] >= total);
  assert.ok(await isOrdered(), "the server orders them");
  await untilStatus(page, "live");
  await stay(page);
  const first = Math.max(...await totals());
  const seller = await signIn(browser, demo.url, "kasir1");
  const frame = await demo.frame(1, "jenis_frame = 'Umum' and harga_jual_frame > 300000");
  const quantity = Math.ceil(first / frame.price) + 1;
  await demo.setStock(frame, quantity + 20);
  await sell(seller.context, { pasien_id: patient, frame, quantity });
  await until(async () => (await drawn()) === line(await taken(1)), "today's end of the line to rise");
  await until(isBarRight, "the bars to follow");
  await until(async () => (await rows.first().getAttribute("data-row")) === "1" && (await isOrdered()), "the best branch to come first");
  assert.ok(await hasStayed(page));
  assert.deepEqual([...failures, ...complaints], []);
});
