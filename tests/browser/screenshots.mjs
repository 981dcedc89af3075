// Pictures of every page as each role sees it, narrow and wide, light and dark, into test-results/screenshots/: to be looked
// at, because no test sees that something is ugly.
//
//   node tests/browser/screenshots.mjs [word]      only pages with this word in their picture's name

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Demo, launch, openTill, openWindow, root, sell, signIn, untilStatus, untilText, wearing } from "./lib.mjs";

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

  const shop = ["/", "/penjualan", sold.redirect, `${sold.redirect}/struk`, "/pesanan", `/pesanan?ditolak=${await ready()}&sebab=unpaid`,
    "/stok", "/stok?jenis=lensa&level=low", "/stok?cari=tidakada", `/stok/frame/${frame.id}`, "/notifikasi", "/akun", "/tidak-ada"];
  const pages = {
    kasir1: [...shop, "/penjualan/create"],
    admin1: [...shop, `/stok?jenis=frame&buka=${scarce.id}&ubah=koreksi&cari=${scarce.kode}`],
    superadmin: ["/", "/stok", "/penjualan", "/pesanan", "/akun"],
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
          await page.goto(path);
          if (await page.locator("[data-live]").count()) await untilStatus(page, "live");
          await shoot(page, name);
          if (path === "/") {
            await page.click("[data-bell] summary");
            await shoot(page, name.replace("beranda", "lonceng"), false);
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
        }
        await context.close();
      }
      await stranger.context.close();
    }
  }
} finally {
  await browser.close();
  await demo.stop();
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
