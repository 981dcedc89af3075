// The till, as a cashier uses it all day: keys, camera, prescription, prices that move, drafts, receipts, and a sale taken back.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, launch, openTab, openTill, rupiah, sell, signIn, textOf, until, untilStatus, untilText } from "./lib.mjs";

let demo;
let browser;
before(async () => {
  // Chromium's own fake camera: a real device for the page, a green picture for us.
  const camera = ["--use-fake-device-for-media-stream"];
  [demo, browser] = await Promise.all([Demo.start(), launch({ args: camera })]);
  await demo.openDay(1);
});
afterEach(() => closeWindows(browser));
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Keys at the pace of a hand: a faster one is a barcode scanner. */
const byHand = (page, text) => page.keyboard.type(text, { delay: 70 });
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.name);
const lastSale = () => demo.row("select * from penjualans order by id desc limit 1");

async function add(till, frame) {
  await till.fill("#cari", frame.kode);
  await till.press("#cari", "Enter");
  await till.waitForSelector(`.cart-line[data-key="Frame:${frame.id}"]`);
}

async function choosePatient(till, name) {
  await till.fill("#pasien", name);
  await untilText(till, "#hasil-pasien .name", name);
  await till.press("#pasien", "Enter");
  await untilText(till, "[data-patient-name]", name);
}

/** What a scanner types at `target`, all within one task, however busy this machine is. */
const scan = (till, code) => till.evaluate((text) => {
  const target = document.activeElement;
  for (const key of [...text, "Enter"]) {
    const goes = target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    if (goes && key !== "Enter" && "value" in target) target.value += key;
  }
}, code);

/** Where the till sends to: behind the path it says which branch it was drawn for. */
const posted = (path) => (url) => url.pathname === path;

test("without function keys: a new patient with a prescription, QRIS, a part of it now, and on to the next sale", async () => {
  const frame = await demo.frame(1, "jenis_frame = 'Umum' and harga_jual_frame > 500000");
  const { context, failures, complaints } = await signIn(browser, demo.url, "kasir1");
  const till = await openTill(context);
  const key = (keys) => till.keyboard.press(keys);

  await till.evaluate(() => document.activeElement.blur());
  await byHand(till, "?");
  await until(() => till.evaluate(() => document.querySelector("[data-keys]").open), "the sheet of keys");
  assert.match(await textOf(till, "[data-keys]"), /F9Alt S/);
  await key("Escape");

  await key("Alt+p");
  assert.equal(await focused(till), "pasien");
  await byHand(till, "Sri Uji Kamera");
  await untilText(till, "[data-patient-none]", /Belum ada pasien/);
  await key("Alt+p");
  assert.equal(await focused(till), "nama_pasien");
  assert.equal(await till.inputValue("#nama_pasien"), "Sri Uji Kamera");
  await key("Tab"); // telephone
  await key("Tab");
  await byHand(till, "BPJS II");
  await key("Tab");
  assert.equal(await focused(till), "no_bpjs");
  await byHand(till, "0001 4478 2290 3");
  await key("Tab");
  await key("Enter"); // opens the prescription
  for (const value of ["-2,25", "-0,50", "", "", "-2"]) {
    await key("Tab");
    if (value) await byHand(till, value);
  }
  await key("Enter");
  await untilText(till, "[data-error-for=od_axis]", /Silinder OD butuh aksis/);
  assert.equal(await focused(till), "od_axis");
  assert.equal(await till.inputValue("[name=os_sph]"), "-2", "nothing of what was typed is lost");
  await till.fill("[name=od_axis]", "200");
  await till.click("[data-resep] summary"); // closed again: the next refusal opens it
  await till.focus("#nama_pasien");
  await key("Enter");
  await untilText(till, "[data-error-for=od_axis]", /dari 0 sampai 180/);
  assert.equal(await focused(till), "od_axis");
  await key("Control+a");
  await byHand(till, "90");
  await key("Enter");
  await untilText(till, "[data-patient-resep]", "OD −2,25 / −0,50 × 90 · OS −2,00");
  assert.equal(await focused(till), "cari");

  await byHand(till, frame.kode);
  await untilText(till, "#hasil [data-pick-note]", "· Naik Kelas");
  await key("Enter");
  const due = frame.price - 220_000;
  await untilText(till, "[data-omset-umum]", rupiah(due));
  await key("Alt+m");
  await key("Alt+m");
  await untilText(till, "[data-cashless-text]", new RegExp(`QRIS di meja dan membayar ${rupiah(due)}`));
  await key("Alt+k");
  assert.equal(await focused(till), "jumlah");
  await byHand(till, "200000");
  await untilText(till, "[data-rest]", rupiah(due - 200_000));
  await untilText(till, "[data-cashless-text]", /membayar Rp 200\.000/);
  await key("Alt+s");
  await till.waitForURL(/\/penjualan\/\d+\/struk$/);

  const sale = await lastSale();
  assert.deepEqual([sale.total, sale.omset_bpjs, sale.bayar, sale.kekurangan, sale.transaction_status],
    [frame.price, 220_000, 200_000, due - 200_000, "Naik Kelas"]);
  assert.deepEqual(await demo.row("select metode, jumlah from pembayarans where penjualan_id = $1", [sale.id]), { metode: "qris", jumlah: 200_000 });
  assert.deepEqual(await demo.row("select nama_pasien, no_bpjs, od_cyl::text, od_axis, os_sph::text from pasiens where id = $1", [sale.pasien_id]),
    { nama_pasien: "Sri Uji Kamera", no_bpjs: "0001447822903", od_cyl: "-0.50", od_axis: 90, os_sph: "-2.00" });
  await key("Enter"); // the next sale has the focus
  await till.waitForURL(/\/penjualan\/create$/);
  await till.waitForSelector("#hasil [role=option]");
  assert.equal(await till.locator(".cart-line").count(), 0);
  assert.deepEqual([...failures, ...complaints.filter((said) => !/422/.test(said))], []);
});

test("cash: what is handed over most often is one press, and the change is right", async () => {
  const frame = await demo.frame(1);
  await demo.sql("update frames set harga_jual_frame = 465000 where id = $1", [frame.id]);
  await demo.patient(1, "Uji Uang Pas");
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  const till = await openTill(context);
  await choosePatient(till, "Uji Uang Pas");
  await add(till, frame);
  await untilText(till, "[data-quick-amounts]", /^Uang pas ?480\.000 ?500\.000$/);
  await till.click("[data-quick='500.000']");
  assert.equal(await till.inputValue("#uang"), "500.000");
  await untilText(till, "[data-change]", rupiah(35_000));
  await till.fill("#uang", "400000");
  await till.keyboard.press("F9");
  await untilText(till, "[data-error-for=diterima]", /Kurang Rp 65\.000/);
  await till.click("[data-quick='465.000']");
  await untilText(till, "[data-change]", rupiah(0));
  await till.click("[data-quick='500.000']");
  await till.keyboard.press("F9");
  await till.waitForURL(/\/struk$/);
  assert.deepEqual(await demo.row("select metode, jumlah, diterima from pembayarans order by id desc limit 1"), { metode: "tunai", jumlah: 465_000, diterima: 500_000 });
  assert.match(await textOf(till, ".receipt"), /Tunai500\.000 Kembalian35\.000/);
  assert.deepEqual(failures, []);
});

test("the camera asks, is refused, reads, and stops when it is closed", async () => {
  const frame = await demo.frame(1);
  const { context, page: home, failures } = await signIn(browser, demo.url, "kasir1");
  const state = (page) => page.getAttribute("[data-camera]", "data-camera");
  const policy = async (path) => (await context.request.get(path)).headers()["permissions-policy"];
  assert.match(await policy("/penjualan/create"), /camera=\(self\)/);
  for (const path of ["/", "/stok", "/pesanan", "/penjualan"]) assert.match(await policy(path), /camera=\(\)/);

  // a browser that cannot read codes
  await context.addInitScript(() => !window.label && delete window.BarcodeDetector);
  let till = await openTill(context);
  await till.click("[data-camera-open]");
  await until(async () => (await state(till)) === "unavailable", "the camera to say that it cannot");
  await till.close();

  // The reader is the browser's part: it says whatever label the test holds before it.
  await context.addInitScript(() => {
    if (!window.MediaDevices) return; // about:blank
    window.label = "";
    window.streams = [];
    window.BarcodeDetector = class {
      static getSupportedFormats = async () => ["code_128"];
      detect = async () => (window.label ? [{ rawValue: window.label }] : []);
    };
    const ask = MediaDevices.prototype.getUserMedia;
    MediaDevices.prototype.getUserMedia = async function (wanted) {
      const stream = await ask.call(this, wanted);
      window.streams.push(stream);
      return stream;
    };
  });
  till = await openTill(context);
  await till.click("[data-camera-open]"); // nobody said yes: headless, the browser says no
  await until(async () => (await state(till)) === "refused", "the refusal");
  assert.match(await textOf(till, "[data-camera-text]"), /Kode juga bisa diketik/);
  assert.equal(await till.isVisible("[data-camera-again]"), true);

  await context.grantPermissions(["camera"], { origin: demo.url });
  await till.click("[data-camera-again]");
  await until(async () => (await state(till)) === "reading", "the camera to look");
  await untilText(till, "[data-camera-text]", /Arahkan kamera/);
  assert.equal(await till.isVisible("[data-camera] video"), true);
  await till.focus("#pasien");
  await till.evaluate((code) => { window.label = code; }, frame.kode);
  await till.waitForSelector(`.cart-line[data-key="Frame:${frame.id}"]`);
  await untilText(till, "[data-camera-text]", `Terbaca: ${frame.kode}`);
  assert.equal(await focused(till), "pasien");
  assert.equal(await till.inputValue("[data-line-quantity]"), "1", "a label that stays before the camera is one piece");
  await till.evaluate(() => { window.label = "TIDAK-ADA"; });
  await untilText(till, "[data-pick-refusal]", "Kode TIDAK-ADA tidak ketemu.");

  const live = () => till.evaluate(() => window.streams.flatMap((stream) => stream.getTracks()).filter((track) => track.readyState === "live").length);
  assert.equal(await live(), 1);
  await till.click("[data-camera-close]");
  assert.equal(await live(), 0);
  assert.equal(await till.isVisible("[data-camera]"), false);
  assert.equal(await till.evaluate(() => document.activeElement.hasAttribute("data-camera-open")), true);
  await home.close();
  assert.deepEqual(failures, []);
});

test("whatever the stock does, what is being typed stays, and the line in trouble is brought into view in its list", async () => {
  const frames = [];
  for (let count = 0; count < 9; count += 1) frames.push(await demo.frame(1));
  await demo.patient(1, "Uji Ketik");
  const { context, failures } = await signIn(browser, demo.url, "kasir1", { viewport: { width: 1280, height: 800 } });
  const till = await openTill(context);
  await untilStatus(till, "live");
  await choosePatient(till, "Uji Ketik");
  for (const frame of frames) await add(till, frame);
  const [first, second] = frames;
  const line = (frame) => `.cart-line[data-key="Frame:${frame.id}"]`;
  const inView = (frame) => till.evaluate((selector) => {
    const [list, row] = [document.querySelector("[data-cart]").getBoundingClientRect(), document.querySelector(selector).getBoundingClientRect()];
    return row.top >= list.top - 1 && row.bottom <= list.bottom + 1;
  }, line(frame));
  assert.equal(await inView(frames.at(-1)), true, "the newest line");
  assert.equal(await inView(first), false, "nine lines do not fit: the list scrolls");

  // typing into the search; a colleague sells what lies in the first line
  await till.focus("#cari");
  await till.keyboard.press("Control+a");
  await byHand(till, "Sen");
  const order = () => till.evaluate(() => [...document.querySelectorAll("#hasil [data-key]")].map((row) => row.dataset.key).join());
  await until(async () => (await textOf(till, "#hasil mark"))?.toLowerCase() === "sen", "the search");
  const [before_, scroll] = [await order(), await till.evaluate(() => scrollY)];
  await demo.setStock(first, 0);
  await untilText(till, `${line(first)} [data-line-note-text]`, "Stok tinggal 0, di keranjang 1.");
  await until(() => inView(first), "the line in trouble to be brought into view");
  assert.equal(await textOf(till, `${line(first)} [data-line-fix]`), "Keluarkan");
  assert.deepEqual([await focused(till), await till.inputValue("#cari"), await order(), await till.evaluate(() => scrollY)], ["cari", "Sen", before_, scroll]);
  await demo.setStock(first, 20);
  await until(async () => !(await till.isVisible(`${line(first)} [data-line-note]`)), "the warning to go");

  // a quantity half typed, while stock and price move; the list stays where the hand is
  const quantity = `${line(second)} [data-line-quantity]`;
  await till.focus(quantity);
  await till.keyboard.press("Control+a");
  await byHand(till, "1");
  await demo.setStock(frames.at(-1), 0);
  await demo.sql("update frames set stok = 4, harga_jual_frame = harga_jual_frame + 5000 where id = $1", [second.id]);
  await untilText(till, `${line(second)} [data-line-note-text]`, /^Harga sekarang/);
  await byHand(till, "2");
  assert.equal(await till.inputValue(quantity), "12");
  assert.equal(await inView(second), true);
  await till.keyboard.press("Enter");
  assert.equal(await focused(till), "cari");
  await untilText(till, `${line(second)} [data-line-note-text]`, "Stok tinggal 4, di keranjang 12.");
  await till.click(`${line(second)} [data-line-fix]:text("Jadikan 4")`);
  assert.equal(await till.inputValue(quantity), "4");
  await till.click(`${line(frames.at(-1))} [data-line-fix]:text("Keluarkan")`);

  // saved in the middle of typing: what was typed counts
  await till.focus(quantity);
  await till.keyboard.press("Control+a");
  await byHand(till, "3");
  await till.keyboard.press("F9");
  await till.waitForURL(/\/struk$/);
  const sale = await lastSale();
  assert.equal(await demo.value("select quantity from penjualan_details where penjualan_id = $1 and product_id = $2", [sale.id, second.id]), 3);
  assert.deepEqual(failures, []);
});

test("Enter means what is typed now, however slow the search is", async () => {
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  // the last of the list: not among the first fifty that the page knows already
  const frame = await demo.row("select id, kode_frame as kode from frames where branch_id = 1 and stok > 0 order by merk_frame desc, id desc limit 1");
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  await context.route((url) => url.pathname === "/api/products" && url.searchParams.get("cari") === frame.kode, async (route) => {
    await held;
    await route.continue();
  });
  const till = await openTill(context);
  assert.equal(await till.locator(`#hasil [data-key="Frame:${frame.id}"]`).count(), 0);
  const asked = till.waitForRequest((request) => request.url().includes(frame.kode));
  await till.fill("#cari", frame.kode);
  await asked; // by the pause in typing
  await till.press("#cari", "Enter");
  assert.equal(await till.locator(".cart-line").count(), 0, "nothing of the old list is taken");
  answer();
  await till.waitForSelector(`.cart-line[data-key="Frame:${frame.id}"]`);
  assert.equal(await till.locator(".cart-line").count(), 1);
  assert.deepEqual(failures, []);
});

test("a price that rose while the button was pressed sells nothing, says so, and leaves the cart", async () => {
  const frame = await demo.frame(1);
  await demo.sql("update frames set harga_jual_frame = 600000 where id = $1", [frame.id]);
  await demo.patient(1, "Uji Harga");
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  // Between the press and its arrival. Set up before the page is there: one that is loaded learns of it only after a while.
  await context.route(posted("/penjualan"), async (route) => {
    await demo.sql("update frames set harga_jual_frame = 650000 where id = $1", [frame.id]);
    await route.continue();
  }, { times: 1 });
  const till = await openTill(context);
  await choosePatient(till, "Uji Harga");
  await add(till, frame);
  await untilText(till, "[data-omset-umum]", rupiah(600_000));
  await till.click(".pay label:has([value=transfer])");
  const before_ = (await lastSale()).id;
  await till.keyboard.press("F9");
  await untilText(till, ".pay .refusal:not([hidden])", /sekarang Rp 650\.000, tadi Rp 600\.000/);
  await untilText(till, "[data-line-note-text]", "Harga sekarang Rp 650.000, tadi Rp 600.000.");
  assert.equal((await lastSale()).id, before_);
  assert.equal(await till.locator(".cart-line").count(), 1);
  await untilText(till, "[data-omset-umum]", rupiah(650_000));
  await till.click("[data-line-fix]:text('Sudah diberi tahu')");
  assert.equal(await till.isVisible("[data-line-note]"), false);
  await till.keyboard.press("F9");
  await till.waitForURL(/\/struk$/);
  assert.deepEqual((({ total, kekurangan }) => [total, kekurangan])(await lastSale()), [650_000, 0]);
  assert.deepEqual(failures, []);
});

test("a code with a minus in it is a code, wherever it is scanned, and not a shortcut", async () => {
  const frame = await demo.frame(1);
  const thing = await demo.row("select id, kode from aksesoris where branch_id = 1 and stok > 20 order by id limit 1");
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  const till = await openTill(context);
  await add(till, frame);
  await till.evaluate(() => document.activeElement.blur());
  await scan(till, thing.kode);
  await till.waitForSelector(`.cart-line[data-key="Aksesoris:${thing.id}"]`);
  assert.equal(await till.inputValue(".cart-line:first-child [data-line-quantity]"), "1");
  await till.keyboard.press("+");
  await until(async () => (await till.inputValue(".cart-line:last-child [data-line-quantity]")) === "2", "plus to add one");
  await till.focus("#uang");
  await till.fill("#uang", "50.000");
  await scan(till, thing.kode);
  await until(async () => (await till.inputValue(".cart-line:last-child [data-line-quantity]")) === "3", "another piece");
  assert.equal(await till.inputValue("#uang"), "50.000", "the money field is as it was");
  assert.deepEqual(failures, []);
});

test("an answer that is lost: the same press again sells once; another cart is not taken for the sale that was saved", async () => {
  const [frame, other] = [await demo.frame(1), await demo.frame(1)];
  const patient = await demo.patient(1, "Uji Jawaban Hilang");
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  let isLost = true;
  await context.route(posted("/penjualan"), async (route) => {
    if (!isLost) return route.continue();
    await route.fetch(); // it arrives, and is done
    return route.abort();
  });
  const sales = () => demo.value("select count(*) from penjualans where pasien_id = $1", [patient]);
  const till = await openTill(context);
  await choosePatient(till, "Uji Jawaban Hilang");
  await add(till, frame);
  await untilText(till, ".cart [data-omset-umum]", rupiah(frame.price));
  await till.click(".pay label:has([value=transfer])");
  const unsure = /mungkin sudah tersimpan\. Tekan Simpan sekali lagi/;
  await till.keyboard.press("F9");
  await untilText(till, ".pay .refusal:not([hidden])", unsure);
  assert.equal(await sales(), 1);
  await till.keyboard.press("F9");
  await until(async () => (await till.getAttribute("[data-pay]", "aria-busy")) === "false", "the second answer to be lost as well");
  isLost = false;
  await till.keyboard.press("F9");
  await till.waitForURL(/\/struk$/);
  assert.equal(await sales(), 1, "three presses, one sale");

  // the same again, with a reload in between, and then another cart
  isLost = true;
  await till.goto("/penjualan/create");
  await till.waitForSelector("#hasil [role=option]");
  await choosePatient(till, "Uji Jawaban Hilang");
  await add(till, frame);
  await untilText(till, ".cart [data-omset-umum]", rupiah(frame.price));
  await till.keyboard.press("F9");
  await untilText(till, ".pay .refusal:not([hidden])", unsure);
  isLost = false;
  // what is refused on the way there says nothing of the try before it
  await context.route(posted("/penjualan"), (route) => route.fulfill({ status: 429, json: { error: { code: "busy", message: "Sedang ramai." } } }), { times: 1 });
  await till.keyboard.press("F9");
  await untilText(till, ".pay .refusal:not([hidden])", "Sedang ramai.");
  await till.reload();
  await untilText(till, ".pay .refusal:not([hidden])", unsure);
  await add(till, other);
  await untilText(till, ".cart [data-omset-umum]", rupiah(frame.price + other.price));
  await till.keyboard.press("F9");
  await untilText(till, ".pay .refusal:not([hidden])", /^Sudah tersimpan sebagai \S+, dengan isi lain\./);
  assert.equal(await sales(), 2);
  await till.keyboard.press("F9"); // it is another one, says the kasir
  await till.waitForURL(/\/struk$/);
  assert.equal(await sales(), 3);
  assert.equal((await lastSale()).total, frame.price + other.price);
  assert.deepEqual(failures, []);
});

test("a price that nobody answers is asked for again; what stood there before is not shown as if it were true", async () => {
  const [frame, other] = [await demo.frame(1), await demo.frame(1)];
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  let isDown = false;
  await context.route(posted("/penjualan/hitung"), (route) => (isDown ? route.abort() : route.continue()));
  const till = await openTill(context);
  await add(till, frame);
  await untilText(till, ".cart [data-omset-umum]", rupiah(frame.price));
  isDown = true;
  await add(till, other);
  await untilText(till, ".cart [data-omset-umum]", "…");
  await untilText(till, ".pay .refusal:not([hidden])", /Harga dihitung lagi begitu tersambung/);
  assert.deepEqual([await textOf(till, ".pay-bar [data-omset-umum]"), await textOf(till, "[data-pay-summary]")], ["…", "2 barang"]);
  isDown = false;
  await untilText(till, ".cart [data-omset-umum]", rupiah(frame.price + other.price));
  assert.equal(await till.isVisible(".pay .refusal"), false);
  assert.deepEqual(failures, []);
});

test("what is thrown out of the cart comes back at one press, and a quantity that was wiped out means nothing", async () => {
  const frames = [await demo.frame(1), await demo.frame(1)];
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  const till = await openTill(context);
  for (const frame of frames) await add(till, frame);
  const quantities = () => till.locator("[data-line-quantity]").evaluateAll((all) => all.map((field) => field.value).join());
  await till.fill(".cart-line:first-child [data-line-quantity]", "3");
  await till.press(".cart-line:first-child [data-line-quantity]", "Enter");
  await till.fill(".cart-line:first-child [data-line-quantity]", "");
  await till.press(".cart-line:first-child [data-line-quantity]", "Enter");
  assert.equal(await quantities(), "3,1");
  await till.fill(".cart-line:last-child [data-line-quantity]", "0");
  await till.press(".cart-line:last-child [data-line-quantity]", "Enter");
  assert.equal(await quantities(), "3");
  await untilText(till, "[data-cart-undo-text]", /dikeluarkan\.$/);
  await till.click("[data-cart-undo-button]");
  assert.equal(await quantities(), "3,1");
  assert.equal(await till.isVisible("[data-cart-undo]"), false);
  await till.click("[data-cart-clear]");
  assert.equal(await quantities(), "");
  await till.keyboard.press("Enter"); // the way back has the focus
  assert.equal(await quantities(), "3,1");
  assert.equal(await focused(till), "cari");
  const total = 3 * frames[0].price + frames[1].price;
  await untilText(till, "[data-total]", rupiah(total));
  await till.click("[data-cart-clear]");
  await add(till, frames[0]);
  assert.equal(await till.isVisible("[data-cart-undo]"), false, "a new cart goes on without the old one");
  assert.deepEqual(failures, []);
});

test("a sale prints its receipt once, and none where this device was told not to", async () => {
  const frame = await demo.frame(1);
  await demo.patient(1, "Uji Cetak");
  const { context, page, failures } = await signIn(browser, demo.url, "kasir1");
  const sold = async (label) => {
    const till = await openTill(context);
    await untilText(till, "[data-save-text]", label);
    await choosePatient(till, "Uji Cetak");
    await add(till, frame);
    await untilText(till, ".cart [data-omset-umum]", rupiah(frame.price));
    await till.keyboard.press("F9");
    await till.waitForURL(/\/struk$/);
    await till.waitForLoadState("load");
    return till;
  };
  const printed = (till) => till.evaluate(() => window.printed ?? 0);
  const till = await sold("Simpan & cetak struk");
  await until(async () => (await printed(till)) === 1, "the receipt to be printed");
  await till.reload();
  assert.equal(await printed(till), 0, "reloading it is no reason to print");
  await page.goto("/akun");
  await page.uncheck("[data-switch=auto-print]");
  assert.equal(await printed(await sold("Simpan penjualan")), 0);
  assert.deepEqual(failures, []);
});

test("the till knows when the day is closed and opened elsewhere; the cart waits", async () => {
  const frame = await demo.frame(1);
  await demo.patient(1, "Uji Hari");
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  const till = await openTill(context);
  await untilStatus(till, "live");
  await choosePatient(till, "Uji Hari");
  await add(till, frame);
  await untilText(till, ".cart [data-omset-umum]", rupiah(frame.price));
  const notice = "p[data-day-closed]";
  assert.equal(await till.isVisible(notice), false);
  await demo.sql("update open_days set is_open = false, closed_at = now() where branch_id = 1 and is_open");
  await till.waitForSelector(notice, { state: "visible" });
  assert.ok(await till.isVisible("form[action^='/hari/buka'] button"));
  await till.keyboard.press("F9");
  await untilText(till, ".pay .refusal:not([hidden])", /[Hh]ari/);
  await demo.openDay(1);
  await till.waitForSelector(notice, { state: "hidden" });
  await till.keyboard.press("F9");
  await till.waitForURL(/\/struk$/);
  assert.deepEqual(failures, []);
});

test("by touch on a phone of 360 px: found, added, paid with a quick amount, on to the next", async () => {
  const frame = await demo.frame(1, "jenis_frame = 'Umum'");
  await demo.sql("update frames set harga_jual_frame = 465000 where id = $1", [frame.id]);
  await demo.patient(1, "Uji Sentuh");
  const { context, failures } = await signIn(browser, demo.url, "kasir1", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const till = await openTill(context);
  await till.tap("#pasien");
  await till.fill("#pasien", "Uji Sentuh");
  await till.tap("#hasil-pasien [role=option]:has-text('Uji Sentuh')");
  await untilText(till, "[data-patient-name]", "Uji Sentuh");
  await till.fill("#cari", frame.kode);
  await till.tap(`#hasil [data-key="Frame:${frame.id}"]`);
  await till.tap(".cart-line [data-line-more]");
  await untilText(till, ".pay-bar [data-omset-umum]", rupiah(930_000));
  await till.tap(".cart-line [data-line-less]");
  await untilText(till, ".pay-bar [data-omset-umum]", rupiah(465_000));
  await till.tap(".pay-bar a");
  await till.tap("[data-quick='500.000']");
  await untilText(till, "[data-change]", rupiah(35_000));
  assert.equal(await till.evaluate(() => document.documentElement.scrollWidth), 360);
  await till.tap("[data-save]");
  await till.waitForURL(/\/struk$/);
  assert.equal((await lastSale()).total, 465_000);
  await till.tap("a:has-text('Penjualan berikutnya')");
  await till.waitForURL(/\/penjualan\/create$/);
  assert.deepEqual(failures, []);
});

test("an unfinished sale survives a reload and is gone for whoever comes next", async () => {
  const frame = await demo.frame(1);
  await demo.patient(1, "Uji Rahasia");
  const { context, failures } = await signIn(browser, demo.url, "kasir1");
  const till = await openTill(context);
  const drafts = () => till.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith("melati:sale:")).length);
  const begin = async () => {
    await choosePatient(till, "Uji Rahasia");
    await add(till, frame);
    assert.equal(await drafts(), 1);
  };
  await begin();
  await till.reload();
  await untilText(till, "[data-patient-name]", "Uji Rahasia");
  await till.waitForSelector(".cart-line");

  await till.click("form[action='/logout'] button");
  await till.waitForURL(/\/login$/);
  await until(async () => (await drafts()) === 0, "the draft to be forgotten");

  // The session ends by itself: the same kasir goes on where they were; somebody else finds nothing.
  const signInHere = async (name) => {
    await till.fill("[name=email]", `${name}@melati.test`);
    await till.fill("[name=password]", "melati-demo");
    await till.click("main form button:not([type=button])");
    await till.waitForURL(/\/penjualan\/create$|\/$/);
    await till.goto("/penjualan/create");
    await till.waitForSelector("#hasil [role=option]");
  };
  await signInHere("kasir1");
  await begin();
  for (const [name, lines] of [["kasir1", 1], ["admin1", 0]]) {
    await demo.sql("delete from sessions");
    await till.goto("/penjualan/create");
    await till.waitForURL(/\/login\?next=/);
    await signInHere(name);
    await until(async () => (await till.locator(".cart-line").count()) === lines, `${name} to find ${lines} lines`);
    assert.equal(await drafts(), lines);
  }
  assert.deepEqual(failures, []);
});

test("an admin takes a sale back: every screen follows, and the receipt says so on 80 mm and on A5", async () => {
  const frame = await demo.frame(1);
  const patient = await demo.patient(1, "Uji Batal");
  const kasir = await signIn(browser, demo.url, "kasir1");
  const admin = await signIn(browser, demo.url, "admin1");
  for (const { page } of [kasir, admin]) await untilStatus(page, "live");
  const omset = await textOf(kasir.page, "[data-bind='omset-kasir:omset_kasir']");
  const sold = await sell(kasir.context, { pasien_id: patient, frame, metode: "tunai", jumlah: frame.price, diterima: frame.price });
  await until(async () => (await textOf(kasir.page, "[data-bind='omset-kasir:omset_kasir']")) !== omset, "the omset to rise");
  const list = await openTab(kasir.context, "/penjualan");
  const watcher = await openTab(kasir.context, sold.redirect);
  assert.equal(await watcher.locator("#batalkan").count(), 0, "a kasir is not offered it");
  await untilStatus(watcher, "live");

  const page = await openTab(admin.context, sold.redirect);
  await page.click("#batalkan summary");
  await page.fill("#alasan", "x");
  await page.click("#batalkan .btn-danger");
  await untilText(page, "[data-error-for=alasan]", /Tulis alasannya/);
  await page.fill("#alasan", "Salah pasien");
  await page.click("#batalkan .btn-danger");
  await untilText(page, "#judul-batal", "Penjualan ini dibatalkan");
  assert.equal(await page.locator("#batalkan").count(), 0);
  await untilText(kasir.page, "[data-bind='omset-kasir:omset_kasir']", omset);
  await watcher.bringToFront();
  await untilText(watcher, "#kabar-batal h2", "Penjualan ini dibatalkan");
  await list.bringToFront();
  await untilText(list, `#penjualan-${sold.id} .work`, "Dibatalkan");
  assert.equal(await demo.value("select stok from frames where id = $1", [frame.id]), frame.stok);

  // points are 1/72 inch
  const mm = (millimetres) => (millimetres / 25.4) * 72;
  for (const [paper, width, height] of [["80mm", 80, 180], ["a5", 148, 210]]) {
    await page.goto(`${sold.redirect}/struk`);
    await page.click(`nav[aria-label=Kertas] a[href$="${paper}"]`);
    await page.waitForSelector(`[data-paper="${paper}"]`);
    await page.goto(`${sold.redirect}/struk`); // remembered
    await page.waitForSelector(`[data-paper="${paper}"]`);
    assert.match(await textOf(page, ".receipt"), /DIBATALKAN.*Salah pasien.*Dikembalikan, Tunai/);
    const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
    const boxes = [...pdf.matchAll(/\/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]/g)].map(([, x, y]) => [Number(x), Number(y)]);
    assert.equal(boxes.length, 1, `${paper}: one page`);
    assert.ok(Math.abs(boxes[0][0] - mm(width)) < 1 && Math.abs(boxes[0][1] - mm(height)) < 1, `${paper}: ${boxes[0]}`);
  }
  assert.deepEqual([...kasir.failures, ...admin.failures], []);
});
