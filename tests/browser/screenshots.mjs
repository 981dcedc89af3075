// Pictures of every page as each role sees it, narrow and wide, light and dark, into test-results/screenshots/: to be looked
// at, because no test sees that something is ugly.
//
//   node tests/browser/screenshots.mjs [word]      only pages with this word in their picture's name

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Demo, everyPage, launch, Network, openTill, openWindow, root, sell, signIn, until, untilFirstLook, untilStatus, untilText, wearing } from "./lib.mjs";

const only = process.argv[2] ?? "";
const out = join(root, "test-results/screenshots");
const sizes = { 360: { width: 360, height: 760 }, 1280: { width: 1280, height: 860 } };
const themes = { terang: "light", gelap: "dark" };

if (!only) await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const [demo, browser] = await Promise.all([Demo.start(), launch()]);
try {
  await demo.openDay(1);
  const frame = await demo.frame(1, "jenis_frame = 'Umum'");
  const scarce = await demo.frame(1);
  const patient = await demo.patient(1, "Ratna Wulandari", "BPJS II");
  const seller = await signIn(browser, demo.url, "kasir1");
  const sold = await sell(seller.context, { pasien_id: patient, frame, metode: "tunai", jumlah: 100_000, diterima: 150_000 });
  await demo.setStock(scarce, 2);
  const back = await sell(seller.context, { pasien_id: patient, frame, metode: "tunai", jumlah: 150_000, diterima: 200_000 });
  const admin = await signIn(browser, demo.url, "admin1");
  await admin.context.request.post(`${back.redirect}/batal`, {
    headers: { Accept: "application/json" }, form: { bayar: "150000", alasan: "Salah pasien, dibuat ulang" },
  });

  // a count, a transfer and a sheet as an admin has them half done
  const begin = async (path, form) => (await (await admin.context.request.post(path, { headers: { Accept: "application/json" }, form })).json()).redirect;
  const opname = await begin("/stok/opname", { jenis: "frame" });
  await begin(`${opname}/hitung`, { kode: frame.kode, jumlah: frame.stok - 2 });
  const transfer = await begin("/stok/transfer", { ke: await demo.value("select min(id) from branches where id <> 1") });
  await begin(`${transfer}/baris`, { kode: frame.kode, jumlah: 2 });
  const sheet = await begin("/stok/impor", { jenis: "frame", isi: `kode;merk;harga_jual;stok\n${frame.kode};Sendja Baru;700.000;9\nFRBARU;Nusa;150.000;4\n` });
  await admin.context.close();

  const shop = ["/", "/?rentang=7", "/penjualan", sold.redirect, `${sold.redirect}/struk`, "/pesanan", `/pesanan?ditolak=${await ready()}&sebab=unpaid`,
    "/pesanan?cari=a", "/pesanan?cari=tidakada",
    "/penjualan?status=Dibatalkan", `${sold.redirect}/struk?kertas=a5`, `${back.redirect}/struk?kertas=80mm`,
    "/stok", "/stok?jenis=lensa&level=low", "/stok?cari=tidakada", `/stok/frame/${frame.id}`, "/notifikasi", "/peringatan", "/peringatan?keadaan=ditangani", "/akun", "/tidak-ada"];
  const every = (await everyPage(demo)).filter((path) => !shop.includes(path));
  const pages = {
    kasir1: [...shop, `${back.redirect}?batal`, "/penjualan/create", "/lainnya", ...every.filter((path) => path.startsWith("/pasien"))],
    admin1: [...shop, "/pengumuman", opname, transfer, sheet, ...every, `${sold.redirect}?batalkan#batalkan`, `/stok?jenis=frame&buka=${scarce.id}&ubah=koreksi&cari=${scarce.kode}`],
    superadmin: ["/", "/?rentang=7", "/stok", "/penjualan", "/pesanan", "/lainnya", "/akun", ...every.filter((path) => /^\/(pantauan|pengguna|cabang|tarif|audit|pasien|laporan)/.test(path))],
  };
  for (const [width, viewport] of Object.entries(sizes)) {
    for (const [theme, colorScheme] of Object.entries(themes)) {
      const look = { viewport, colorScheme, storageState: wearing(themes[theme]) };
      const stranger = await openWindow(browser, demo.url, look);
      const login = await stranger.context.newPage();
      await login.goto("/login");
      await shoot(login, `masuk-${width}-${theme}`);
      for (const [who, paths] of Object.entries(pages)) {
        const { context, page } = await signIn(browser, demo.url, who, look);
        for (const path of paths) {
          const name = `${who}${path.replace(/\/\d+/, "-satu").replace(/[^a-z]+/g, "-").replace(/-$/, "") || "-beranda"}-${width}-${theme}`;
          if (!name.includes(only)) continue;
          const answer = await page.goto(path).catch(() => null); // a file to download is no page
          if (!/text\/html/.test(answer?.headers()["content-type"] ?? "") || !(await page.title())) continue;
          if (answer.ok() && await page.locator("[data-live]").count()) await untilStatus(page, "live");
          if (path.endsWith("#batalkan")) await page.click("#batalkan summary");
          await shoot(page, name);
          if (path === "/") {
            await page.click("[data-bell] summary");
            await shoot(page, name.replace("beranda", "lonceng"), false);
            await page.click("[data-worst-menu] summary");
            await page.waitForSelector("[data-worst-menu] [data-product]");
            await shoot(page, name.replace("beranda", "stok-terendah"), false);
          }
        }
        if (who === "kasir1" && `kasir1-penjualan-baru-terisi-${width}-${theme}`.includes(only)) {
          const till = await openTill(context);
          await till.fill("#pasien", "Ratna Wulan");
          await till.waitForSelector("#hasil-pasien [role=option]");
          await till.press("#pasien", "Enter");
          for (const { kode } of [frame, scarce]) {
            await till.fill("#cari", kode);
            await till.press("#cari", "Enter");
          }
          await till.fill("#cari", "FR00");
          await till.waitForSelector(".cart-line:nth-child(2)");
          await till.press("#cari", "F8");
          await till.keyboard.type("900000");
          await untilText(till, "[data-change]", /^Rp [1-9]/);
          await shoot(till, `${who}-penjualan-baru-terisi-${width}-${theme}`);
          await till.click(".pay label:has([value=qris])");
          await till.check("[name=dp]");
          await till.fill("#jumlah", "200000");
          await till.evaluate(() => document.querySelector("[data-camera-open]").click());
          await till.waitForSelector("[data-camera]:not([hidden])");
          await demo.setStock(frame, 0);
          await till.waitForSelector("[data-line-note]:not([hidden])");
          await shoot(till, `${who}-penjualan-baru-terisi-dp-${width}-${theme}`);
          await demo.setStock(frame, 20);
          await till.evaluate(() => document.querySelector("[data-camera-close]").click());
          await till.evaluate(() => document.querySelector("[data-keys-open]").click());
          await shoot(till, `${who}-penjualan-baru-terisi-pintasan-${width}-${theme}`, false);
          await till.evaluate(() => document.querySelector("[data-keys-close]").click());
          await till.evaluate(() => document.querySelector("[data-patient-change]").click());
          await till.click("[data-patient-new]");
          await till.selectOption("#service_type", "BPJS III");
          await till.fill("#nama_pasien", "Sri Wahyuni");
          await till.click("[data-resep] summary");
          await till.fill("[name=od_cyl]", "-0,50");
          await till.click("[data-patient-form] button[type=submit]");
          await till.waitForSelector("[data-error-for=od_axis]:not([hidden])");
          await shoot(till, `${who}-penjualan-baru-terisi-pasien-${width}-${theme}`);
        }
        await context.close();
      }
      await stranger.context.close();
      await states(look, `${width}-${theme}`);
    }
  }
  // a tablet in the hand: what people work on all day
  const tablet = { viewport: { width: 820, height: 1180 }, colorScheme: "light", storageState: wearing("light") };
  for (const [who, paths] of Object.entries({ kasir1: ["/", "/penjualan/create", "/pesanan", "/stok"], admin1: ["/", "/stok", "/pengguna"], superadmin: ["/", "/peringatan"] })) {
    const names = Object.fromEntries(paths.map((path) => [path, `${who}${path.replace(/[^a-z]+/g, "-").replace(/-$/, "") || "-beranda"}-820-terang`]));
    if (!Object.values(names).some((name) => name.includes(only))) continue;
    const { context, page } = await signIn(browser, demo.url, who, tablet);
    for (const path of paths) {
      await page.goto(path);
      await untilStatus(page, "live");
      await shoot(page, names[path]);
    }
    await context.close();
  }
} finally {
  await browser.close();
  await demo.stop();
}

/** What is only there for a moment: a question, toasts, a cut, a page that cannot be loaded, one that is not for them. */
async function states(look, name) {
  if (![`keadaan-${name}`, `admin1-keadaan-tanya-${name}`, `kasir1-keadaan-terputus-${name}`].some((one) => one.includes(only) || only.startsWith("keadaan"))) return;
  const network = await Network.to(demo);
  const products = [];
  for (let count = 0; count < 4; count += 1) products.push(await demo.frame(1));
  const boss = await signIn(browser, network.url, "admin1", look);
  const till = await signIn(browser, network.url, "kasir1", look);
  for (const { page } of [boss, till]) await untilStatus(page, "live");
  await untilFirstLook(boss.page);
  await demo.setStock(products[0], 2);
  await boss.page.waitForSelector(".swal2-popup.popup");
  await shoot(boss.page, `admin1-keadaan-tanya-${name}`, false);
  await boss.page.click(".swal2-popup .btn-quiet");
  await till.page.waitForSelector("[data-toast], .note");
  await shoot(till.page, `kasir1-keadaan-kabar-${name}`, false);
  await demo.sql("update frames set stok = 2 where id = any($1)", [products.slice(1).map(({ id }) => id)]);
  await boss.page.waitForSelector(".swal2-popup.popup");
  await shoot(boss.page, `admin1-keadaan-tanya-banyak-${name}`, false);
  await till.page.waitForFunction(() => /produk/.test(document.querySelector(".note")?.textContent ?? ""));
  await shoot(till.page, `kasir1-keadaan-kabar-banyak-${name}`, false);
  await till.page.goto("/pengguna");
  await shoot(till.page, `kasir1-keadaan-bukan-untuknya-${name}`, false);
  await till.page.goto("/pesanan");
  await untilStatus(till.page, "live");
  await till.page.evaluate(() => navigator.serviceWorker.ready);
  await until(() => till.page.evaluate(() => Boolean(navigator.serviceWorker.controller)), "the worker");
  network.cut();
  await till.page.waitForSelector("[data-banner]:visible");
  await shoot(till.page, `kasir1-keadaan-terputus-${name}`, false);
  await till.page.reload();
  await untilText(till.page, "h1", "Belum tersambung ke server");
  await shoot(till.page, `kasir1-keadaan-luring-${name}`, false);
  await demo.sql("update frames set stok = 20 where id = any($1)", [products.map(({ id }) => id)]);
  await Promise.all([boss, till].map(({ context }) => context.close()));
  await network.close();
}

function ready() {
  return demo.value("select id from penjualans where branch_id = 1 and status_pengerjaan = 'Siap Diambil' and kekurangan > 0 order by created_at, id limit 1");
}

async function shoot(page, name, fullPage = true) {
  if (!name.includes(only)) return;
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(out, `${name}.png`), fullPage, animations: "disabled" });
  console.log(`${name}.png`);
}
