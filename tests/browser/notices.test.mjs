// What interrupts people, and what does not: low stock that asks for an answer once, toasts that gather, reading that is seen in
// every tab, notifications of the system and spoken words without names, what somebody muted, and announcements.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeWindows, Demo, isLeader, launch, openTab, openTill, sell, signIn, textOf, until, untilFirstLook, untilStatus, untilText } from "./lib.mjs";
import { spoken, written } from "../../static/notify/words.js";

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

const QUESTION = ".swal2-popup.popup";
const URGENT = ".swal2-toast.urgent";
const TOAST = ".swal2-toast.passing";

const alertOf = (frame) => demo.row(
  `select a.id, acked_at, snoozed_until, snoozed_until - now() between interval '58 minutes' and interval '1 hour' as is_an_hour, u.name as acked_by
   from stock_alerts a left join users u on u.id = a.acked_by
   where product_type = 'Frame' and product_id = $1 and closed_at is null`, [frame.id]);

/** Signed in, on the dashboard, live, and past the first look at what was low before. */
async function ready(name, options) {
  const known = signIn(browser, demo.url, name, options);
  const { page } = await known;
  await untilStatus(page, "live");
  if (name.startsWith("admin")) await untilFirstLook(page);
  return known;
}

/** How many of these pages show it now; and when none does for a while that is long enough, none. */
const showing = async (pages, selector) => (await Promise.all(pages.map((page) => page.locator(selector).count()))).filter(Boolean).length;

test("a product that runs low asks once in all tabs of the browser, and an answer here closes the question there", async () => {
  const frame = await demo.frame(1);
  const hendra = await ready("admin1");
  const tabs = [hendra.page, await openTab(hendra.context, "/stok"), await openTab(hendra.context, "/peringatan")];
  const [rina, pusat] = [await ready("kasir1"), await signIn(browser, demo.url, "superadmin")];
  for (const tab of [...tabs, pusat.page]) await untilStatus(tab, "live");
  await demo.setStock(frame, 4);
  await until(async () => (await showing(tabs, QUESTION)) === 1, "the question in one tab");
  // a kasir hears of it in passing, and so does who looks at the whole chain
  for (const { page } of [rina, pusat]) await untilText(page, TOAST, /Stok Rendah/);
  assert.equal(await showing([rina.page, pusat.page], `${QUESTION}, ${URGENT}`), 0);
  await pusat.context.request.post("/cabang/pilih", { form: { branch_id: "1" }, headers: { Accept: "application/json" } });
  await pusat.page.goto("/peringatan");
  await untilFirstLook(pusat.page);

  // a reload does not ask again: the list of what waits has come, and nothing was asked
  const asking = (await Promise.all(tabs.map((tab) => tab.locator(QUESTION).count()))).indexOf(1);
  const text = await textOf(tabs[asking], QUESTION);
  assert.ok(text.includes(frame.merk) && text.includes("tinggal 4"), text);
  await Promise.all(tabs.map(async (tab) => {
    const listed = tab.waitForResponse(/api\/peringatan$/);
    await tab.reload();
    await listed;
    await untilStatus(tab, "live");
  }));
  // another product asks: so the tabs could have, and only one does
  const second = await demo.frame(1);
  await demo.setStock(second, 0);
  await until(async () => (await showing(tabs, QUESTION)) === 1, "the next question");
  const now = tabs[(await Promise.all(tabs.map((tab) => tab.locator(QUESTION).count()))).indexOf(1)];
  const asked = await textOf(now, QUESTION);
  assert.ok(asked.includes(second.merk) && asked.includes("habis") && !asked.includes(frame.kode), asked);

  // somebody else was asked, too, and answers: it closes here by itself
  await pusat.page.click(`${QUESTION} .swal2-close`);
  await pusat.page.click(`[data-product="Frame:${second.id}"] button:text("Tanggapi")`);
  await until(async () => (await showing(tabs, QUESTION)) === 0, "the question to close");
  assert.match((await alertOf(second)).acked_by, /\w/);
  await until(async () => !(await tabs[2].locator(`.alert-row[data-product="Frame:${second.id}"]`).count()), "the list of the other to be drawn anew");
  await untilText(pusat.page, TOAST, /Anda menangani/);
  assert.deepEqual([hendra, rina, pusat].flatMap(({ failures, complaints }) => [...failures, ...complaints]), []);
});

test("the answer: Tanggapi and Tunda, and a snooze that ends asks again, once", async () => {
  const [frame, other] = [await demo.frame(1), await demo.frame(1)];
  const { context, page, failures } = await ready("admin1");
  await demo.setStock(frame, 3);
  await page.click(`${QUESTION} .swal2-confirm`);
  await until(async () => (await alertOf(frame)).acked_at, "the answer");
  await untilText(page, TOAST, /Anda menangani/);

  await demo.setStock(other, 3);
  await page.click(`${QUESTION} .swal2-deny`);
  await until(async () => (await alertOf(other)).is_an_hour, "an hour's rest");
  const second = await openTab(context, "/peringatan?keadaan=ditunda");
  await second.waitForSelector(`.alert-row[data-product="Frame:${other.id}"]`);
  // its time comes early, for the test's sake
  await demo.sql("update stock_alerts set snoozed_until = now() + interval '1500 milliseconds' where id = $1", [(await alertOf(other)).id]);
  await until(async () => (await showing([page, second], QUESTION)) === 1, "the question to come back");
  const asked = (await page.locator(QUESTION).count()) ? page : second;
  assert.ok((await textOf(asked, QUESTION)).includes(other.merk));
  // filling the shelf answers, too
  await demo.setStock(other, 40);
  await until(async () => (await showing([page, second], QUESTION)) === 0, "the question to close");
  await second.goto("/peringatan?keadaan=selesai");
  await second.waitForSelector(`.alert-row[data-product="Frame:${other.id}"] :text("Terisi setelah")`);
  assert.deepEqual(failures, []);
});

test("nothing takes the focus from a field: the question is a toast there, with the same answers", async () => {
  const frames = [await demo.frame(1), await demo.frame(1)];
  const { context, page, failures } = await ready("admin1");
  await page.goto("/stok");
  await untilStatus(page, "live");
  await page.click("input[name=cari]");
  await page.keyboard.type("sen");
  await demo.setStock(frames[0], 2);
  await page.waitForSelector(URGENT);
  await page.keyboard.type("dja");
  assert.equal(await page.evaluate(() => document.activeElement.value), "sendja");
  assert.equal(await showing([page], QUESTION), 0);
  await page.click(`${URGENT} .swal2-confirm`);
  await until(async () => (await alertOf(frames[0])).acked_at, "the answer");

  // at the till everything is typed and scanned, wherever the focus happens to be
  const till = await openTill(context);
  await page.close();
  await until(() => till.evaluate(() => document.querySelector("[data-live]").dataset.live === "live"), "a live till");
  await till.evaluate(() => document.activeElement.blur());
  await demo.setStock(frames[1], 1);
  await till.waitForSelector(URGENT);
  assert.equal(await showing([till], QUESTION), 0);
  assert.deepEqual(failures, []);
});

test("low stock is answered in the centre, too, where what became of it is written", async () => {
  const [frame, other] = [await demo.frame(1), await demo.frame(1)];
  const { page: owner, failures, complaints } = await signIn(browser, demo.url, "superadmin");
  const { page: rina } = await signIn(browser, demo.url, "kasir1");
  for (const page of [owner, rina]) {
    await page.goto("/notifikasi");
    await untilStatus(page, "live");
  }
  await demo.setStock(frame, 3);
  await demo.setStock(other, 2);
  const told = new Map();
  for (const { id } of [frame, other]) {
    told.set(id, await demo.value("select max(id) from notifications where type = 'stock_alert' and data->>'product_id' = $1", [String(id)]));
  }
  const answer = ({ id }) => `#jawab-${told.get(id)}`;
  for (const page of [owner, rina]) await untilText(page, answer(frame), /^Belum ditanggapi/);
  assert.equal(await rina.locator(".notice-answer button").count(), 0, "nobody asks a kasir");

  await owner.click(`${answer(frame)} button:has-text("Tanggapi")`);
  for (const page of [owner, rina]) await untilText(page, answer(frame), /^Ditangani .+ setelah /);
  assert.ok((await alertOf(frame)).acked_at);
  await until(async () => (await owner.locator(`main [data-unread]:has(${answer(frame)})`).count()) === 0, "what is answered to be read");
  await owner.click(`${answer(other)} button:has-text("Tunda 1 jam")`);
  await untilText(owner, answer(other), /^Ditunda sampai /);
  assert.ok((await alertOf(other)).is_an_hour);
  // the same without a script: an ordinary form that leads back
  await demo.sql("update stock_alerts set snoozed_until = null, snoozed_by = null where id = $1", [(await alertOf(other)).id]);
  const bare = await signIn(browser, demo.url, "superadmin", { javaScriptEnabled: false });
  await bare.page.goto("/notifikasi");
  await bare.page.click(`${answer(other)} button:has-text("Tanggapi")`);
  assert.equal(new URL(bare.page.url()).pathname, "/notifikasi");
  await untilText(bare.page, answer(other), /^Ditangani /);
  assert.deepEqual([...failures, ...complaints], []);
});

test("many at once are one: one question, one toast, with their number", async () => {
  const frames = [];
  for (let n = 0; n < 7; n += 1) frames.push(await demo.frame(1));
  const [hendra, rina] = [await ready("admin1"), await ready("kasir1")];
  await demo.sql("update frames set stok = 4 where id = any ($1)", [frames.map(({ id }) => id)]);
  await untilText(hendra.page, QUESTION, /7 produk stoknya rendah.*dan 2 lagi/);
  await untilText(rina.page, TOAST, /7 produk stoknya rendah/);
  await hendra.page.click(`${QUESTION} .swal2-deny`);
  await until(async () => (await demo.value("select count(*) from stock_alerts where product_type = 'Frame' and product_id = any ($1) and snoozed_until > now()", [frames.map(({ id }) => id)])) === 7, "all of them put off");
  await demo.sql("update frames set stok = 40 where id = any ($1)", [frames.map(({ id }) => id)]);
  assert.deepEqual([...hendra.failures, ...rina.failures], []);
});

test("what is read in one tab is read in the others, and on the phone in the pocket", async () => {
  const { context, page } = await ready("kasir1");
  await demo.sql(`insert into notifications (branch_id, type, title, message) values (1, 'price_updated', 'Harga Berubah', 'satu'), (1, 'price_updated', 'Harga Berubah', 'dua')`);
  const centre = await openTab(context, "/notifikasi?jenis=harga");
  const phone = await ready("kasir1");
  await phone.page.goto("/notifikasi");
  for (const tab of [page, centre, phone.page]) await untilStatus(tab, "live");
  const count = async (tab) => Number(await tab.getAttribute("[data-unread-count]", "data-unread-count"));
  const before = await count(centre);
  assert.ok(before >= 2);
  const id = await centre.locator("[data-row][data-unread]").first().getAttribute("data-row");
  await centre.click(`[data-row="${id}"] .mark-read button`);
  for (const tab of [centre, page, phone.page]) {
    await until(async () => (await count(tab)) === before - 1, "one less");
    assert.equal(await tab.locator(`[data-row="${id}"][data-unread]`).count(), 0);
  }
  // news of another type does not enter a list that does not ask for it
  await demo.sql("insert into notifications (branch_id, type, title, message) values (1, 'day_opened', 'Hari Dibuka', 'lagi')");
  await phone.page.waitForSelector("main [data-row]:has-text('Hari Dibuka')");
  await untilText(centre, "[data-bell] .rows", /Hari Dibuka/);
  assert.equal(await centre.locator("main [data-row]:has-text('lagi')").count(), 0);
  await phone.page.click("main [data-read-all] button");
  for (const tab of [phone.page, centre, page]) await until(async () => (await count(tab)) === 0, "all read");
  assert.equal(await centre.locator("[data-row][data-unread]").count(), 0);
});

test("what is muted does not interrupt, in any tab, and stands in the centre", async () => {
  const { context, page, failures } = await ready("admin1");
  const centre = await openTab(context, "/notifikasi");
  await untilStatus(centre, "live");
  const saved = centre.waitForResponse(/pengaturan/);
  await centre.click("label:has([value=stok])");
  await saved;
  await until(async () => (await demo.value("select count(*) from notification_mutes m join users u on u.id = m.user_id where email = 'admin1@melati.test' and type = 'stock_alert'")) === 1, "the choice to be kept");
  const frame = await demo.frame(1);
  await demo.setStock(frame, 1);
  await demo.sql("insert into notifications (branch_id, type, title, message) values (1, 'day_opened', 'Hari Dibuka', 'sesudahnya')");
  // what came after it was told: so it has been, too, and in silence
  for (const tab of [page, centre]) await untilText(tab, TOAST, /sesudahnya/);
  assert.equal(await showing([page, centre], `${QUESTION}, ${URGENT}`), 0);
  await untilText(centre, "main [data-notices] [data-row]:nth-of-type(2) .title", "Stok Rendah");
  await centre.reload();
  assert.equal(await centre.isChecked("[value=stok]"), false);
  await centre.click("label:has([value=stok])");
  await until(async () => (await demo.value("select count(*) from notification_mutes")) === 0, "the choice to be taken back");
  assert.deepEqual(failures, []);
});

test("notifications of the system: asked for by a press, shown when no tab is seen, by one tab, without a name", async () => {
  const patient = await demo.patient(1, "Ibu Rahasia Sekali");
  const frame = await demo.frame(1);
  const { context, page, failures } = await ready("kasir1");
  await page.addInitScript(() => {
    window.asked = 0;
    const ask = Notification.requestPermission.bind(Notification);
    Notification.requestPermission = () => ((window.asked += 1), ask());
  });
  await page.goto("/notifikasi");
  await page.waitForSelector("[data-browser-notices=ask], [data-browser-notices=denied]");
  assert.equal(await page.evaluate(() => window.asked), 0, "never on loading");
  await context.grantPermissions(["notifications"], { origin: demo.url });
  await page.reload();
  await page.waitForSelector("[data-browser-notices=allowed]");
  // switched off on this device, and on again by a press
  await page.click("[data-stop-notices]");
  await page.waitForSelector("[data-browser-notices=ask]");
  await page.click("[data-ask-notices]");
  await page.waitForSelector("[data-browser-notices=allowed]");
  assert.equal(await page.evaluate(() => window.asked), 1);

  const other = await openTab(context, "/stok");
  for (const tab of [page, other]) await untilStatus(tab, "live");
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  assert.match(worker.url(), /\/sw\.js$/);
  const answer = await context.request.get("/sw.js");
  assert.match(answer.headers()["content-type"], /javascript/);
  // what the worker was asked to do, and what it showed
  await worker.evaluate(() => {
    self.askedFor = [];
    self.addEventListener("message", (event) => self.askedFor.push(event.data));
  });
  const shown = () => worker.evaluate(async () => (await self.registration.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, href: data.href })));
  const sold = await sell(context, { pasien_id: patient, frame });
  const id = Number(/\d+$/.exec(sold.redirect)[0]);
  const finish = () => demo.sql("update penjualans set status_pengerjaan = 'Siap Diambil' where id = $1", [id]);
  await finish();
  await until(() => worker.evaluate(() => self.askedFor.length > 0), "the worker to be asked");
  assert.deepEqual(await shown(), [], "somebody sees a tab of ours: it was told there");

  // nobody does
  await worker.evaluate(() => {
    const all = self.clients.matchAll.bind(self.clients);
    self.clients.matchAll = async (options) => (await all(options)).map(({ url }) => ({ url, visibilityState: "hidden", focus: async () => (self.focused = url) }));
  });
  await demo.sql("update penjualans set status_pengerjaan = 'Sedang Dikerjakan' where id = $1", [id]);
  await finish();
  await until(async () => (await shown()).length > 0, "a notification");
  const asked = await worker.evaluate(() => self.askedFor);
  assert.equal(asked.length, 2, "one tab asks, once each time");
  const [notice] = await shown();
  const code = await demo.value("select kode_penjualan from penjualans where id = $1", [id]);
  assert.deepEqual({ title: notice.title, body: notice.body, href: notice.href }, { title: "Siap diambil", body: code, href: `/penjualan/${id}` });
  assert.ok(!JSON.stringify([asked, await shown()]).includes("Rahasia"), "no name leaves the page");
  // the press on it leads there; a tab that shows it already is brought forward
  await other.goto(notice.href);
  await worker.evaluate(async () => {
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
  });
  await until(() => worker.evaluate((href) => self.focused?.endsWith(href), notice.href), "the tab to be brought forward");
  await until(async () => (await shown()).length === 0, "the notification to go");
  assert.deepEqual(failures, []);
});

test("who refused the browser's question is told how to change their mind", async () => {
  const { page } = await ready("kasir1");
  await page.addInitScript(() => Object.defineProperty(Notification, "permission", { get: () => window.standing ?? "denied" }));
  await page.goto("/notifikasi");
  await page.waitForSelector("[data-browser-notices=denied]");
  assert.match(await page.innerText("[data-browser-notices]"), /gembok/);
  assert.equal(await page.isVisible("[data-ask-notices]"), false);
  await page.addInitScript(() => delete window.Notification);
  await page.goto("/notifikasi");
  await page.waitForSelector("[data-browser-notices=unsupported]");
});

test("the voice is off until this device asks for it, speaks Indonesian in one tab, and says no name", async () => {
  const patient = await demo.patient(1, "Bapak Rahasia Juga");
  const frame = await demo.frame(1);
  const { context, page, failures } = await ready("kasir1");
  const recorder = () => {
    window.spoken = [];
    SpeechSynthesis.prototype.speak = (utterance) => window.spoken.push({ text: utterance.text, lang: utterance.lang });
  };
  await context.addInitScript(recorder);
  await page.goto("/notifikasi");
  const other = await openTab(context, "/pesanan");
  for (const tab of [page, other]) await untilStatus(tab, "live");
  const { redirect } = await sell(context, { pasien_id: patient, frame });
  const id = Number(/\d+$/.exec(redirect)[0]);
  const finish = () => demo.sql("update penjualans set status_pengerjaan = 'Siap Diambil' where id = $1", [id]);
  const spoken = async () => (await Promise.all([page, other].map((tab) => tab.evaluate(() => window.spoken)))).flat();
  await finish();
  await untilText(page, TOAST, /Siap Diambil/);
  assert.deepEqual(await spoken(), [], "off by default");

  await page.click("label:has([data-voice-switch])");
  await until(async () => (await spoken()).length === 1, "a word that it works");
  await demo.sql("update penjualans set status_pengerjaan = 'Sedang Dikerjakan' where id = $1", [id]);
  await finish();
  await until(async () => (await spoken()).length === 2, "the news to be spoken");
  const number = Number(/-(\d+)$/.exec(await demo.value("select kode_penjualan from penjualans where id = $1", [id]))[1]);
  // a second one proves that no other tab repeats the first
  await demo.sql("insert into notifications (branch_id, type, title, message, data) values (1, 'announcement', 'Rahasia', 'Rahasia', '{}')");
  await until(async () => (await spoken()).length === 3, "the announcement to be announced");
  assert.deepEqual((await spoken()).sort((a, b) => a.text.localeCompare(b.text)), [
    { text: "Ada pengumuman baru.", lang: "id-ID" },
    { text: `Pesanan nomor ${number} siap diambil.`, lang: "id-ID" },
    { text: "Suara aktif.", lang: "id-ID" },
  ]);
  await page.reload();
  await until(() => page.isChecked("[data-voice-switch]"), "this device to remember");
  assert.deepEqual(failures, []);
});

test("an announcement is on the screens of those it is for, as text whatever it says, and in their centre", async () => {
  const [hendra, rina, elsewhere] = [await ready("admin1"), await ready("kasir1"), await ready("admin2")];
  const { page } = hendra;
  await page.goto("/pengumuman");
  await page.click("button:text('Umumkan sekarang')"); // the browser itself asks for what is missing
  assert.equal(new URL(page.url()).pathname, "/pengumuman");
  await page.click("label:has([value=kasir])");
  await page.fill("#title", "Stok <img src=x onerror=alert(1)> opname");
  await page.fill("#message", "Sabtu malam.\nMulai <b>20:00</b>.");
  await page.fill("#until", "2020-01-01");
  await page.click("button:text('Umumkan sekarang')");
  await untilText(page, "#salah-until", /sudah lewat/);
  assert.equal(await page.inputValue("#message"), "Sabtu malam.\nMulai <b>20:00</b>.");
  await page.fill("#until", "");
  await page.click("button:text('Umumkan sekarang')");
  await page.waitForSelector(".rows .title:has-text('onerror')");
  await untilText(rina.page, TOAST, /Stok <img src=x onerror=alert\(1\)> opname/);
  await rina.page.goto("/notifikasi?jenis=pengumuman");
  await untilText(rina.page, "main [data-row] .as-typed", "Sabtu malam. Mulai <b>20:00</b>.");
  await untilText(rina.page, "main [data-row] .grow", /Dari \w/);
  for (const tab of [page, rina.page]) assert.equal(await tab.locator("main img, main b:text('20:00')").count(), 0);
  await elsewhere.page.goto("/notifikasi?jenis=pengumuman");
  assert.equal(await elsewhere.page.locator("main [data-row]:has-text('onerror')").count(), 0);
  assert.equal(await demo.value("select count(*) from audit_log where action = 'announced' and subject like '%onerror%'"), 1);
  assert.deepEqual([hendra, rina, elsewhere].flatMap(({ failures }) => failures), []);
});

test("every type of news that the schema knows has words of its own, written and spoken, for one and for several", async () => {
  const said = await demo.value("select pg_get_constraintdef(oid) from pg_constraint where conname = 'notifications_type_check'");
  const types = [...said.matchAll(/'\{?(\w+)\}?'/g)].map(([, type]) => type);
  assert.ok(types.includes("stock_transfer") && types.includes("announcement"), said);
  const [title, one, many] = [[written({ type: "?" }).title], [spoken([{ type: "?" }])], [spoken([{ type: "?" }, { type: "?" }])]];
  for (const type of types) {
    const notice = { type, data: { no_transaksi: "KMG-261121-031", kode: "FR000412", product_type: "Frame", current_stock: 3 } };
    for (const [words, mine] of [[title, written(notice).title], [one, spoken([notice])], [many, spoken([notice, notice])]]) {
      assert.ok(!words.includes(mine), `${type}: ${mine}`);
      words.push(mine);
    }
  }
});
