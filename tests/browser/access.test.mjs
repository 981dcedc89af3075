// Every page for everybody: found by whoever cannot see (axe), small phones, slow shop wifi, no script, no mouse, other
// colours. The addresses are those of the table in tests/hostile/routes.rs, which knows every address there is: a page that is
// added there is walked here, and one whose address has a part to fill in fails until everyPage (lib.mjs) can fill it.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { axe, closeWindows, Demo, everyPage, isFile, launch, Network, openTab, openWindow, signIn, textOf, until, untilStatus, violations, wearing } from "./lib.mjs";

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

const wide = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };

/** What runs in the page. Everything that can be pressed is at least 44 px, but for links in a sentence or a table's cell. */
function tooSmall() {
  const least = 43.5;
  const small = [];
  for (const element of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
    if (!element.checkVisibility?.({ checkOpacity: true, checkVisibilityCSS: true }) || element.closest(".visually-hidden, .skip, [inert]")) continue;
    let target = element;
    if (element.matches("input[type=checkbox], input[type=radio]")) target = element.closest("label") ?? element;
    // the whole row is the target
    if (element.matches(".stretched-link")) target = element.closest(".rows > *, .ticket, tr, .panel") ?? element;
    const isInText = element.matches("a") && getComputedStyle(element).display === "inline"
      && (element.closest("td, th, small, dd") || (element.closest("p") && element.closest("p").textContent.trim() !== element.textContent.trim()));
    if (isInText) continue;
    const { width, height } = target.getBoundingClientRect();
    if (width === 0 || height === 0) continue;
    if (height < least || width < least) small.push(`${element.tagName.toLowerCase()} "${(element.getAttribute("aria-label") ?? element.textContent).trim().slice(0, 30)}" ${Math.round(width)}×${Math.round(height)}`);
  }
  return small;
}

/** What is wider than the screen, or than the panel that it is in, by name. */
function tooWide() {
  const named = (one) => `${one.tagName.toLowerCase()}.${one.className} "${one.textContent.trim().slice(0, 30)}"`;
  const scrolls = ".board, .table-scroll, .scroll-rows, .segmented, .payload, .chart, .visually-hidden";
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over > 0) {
    const widest = [...document.querySelectorAll("main *, header *, nav *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(scrolls));
    return `${over} px too wide (${widest.slice(-1).map(named)})`;
  }
  const out = [...document.querySelectorAll(".panel :is(td, th, span, strong, small, dd, a, button)")].find((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && !one.closest(scrolls) && one.checkVisibility() && box.right > one.closest(".panel").getBoundingClientRect().right + 1;
  });
  if (out) return `${named(out)} sticks out of its panel`;
  // on a smaller screen the sheet may scroll
  const sheet = innerWidth >= 360 && document.querySelector(".closing");
  return sheet && sheet.scrollWidth > sheet.clientWidth ? `the day's sheet is cut off by ${sheet.scrollWidth - sheet.clientWidth} px` : null;
}

/** What a page shows depends on the hour: every amount becomes that of a good day. */
function ofAGoodDay() {
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const amount = texts.currentNode;
    if (/^Rp [\d.]{1,9}$/.test(amount.data.trim())) amount.data = "Rp 88.888.888";
  }
}

/** A whole page: no file to download, no part that a script puts into one. */
const isPage = async (answer) => /text\/html/.test(answer.headers()["content-type"] ?? "") && /^\s*<!doctype/i.test(await answer.text());

const MOST_KB = 150;

for (const name of ["kasir1", "admin1", "superadmin"]) {
  test(`every page as ${name}: axe finds nothing in both themes, nothing is cut off at 360 or 320, and it comes in ${MOST_KB} kB`, async (t) => {
    const { page, failures, complaints } = await signIn(browser, demo.url, name, { viewport: wide, reducedMotion: "reduce", storageState: wearing("light") });
    const wire = await page.context().newCDPSession(page);
    await wire.send("Network.enable");
    await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
    let received = 0;
    // By their ids: Chromium tells some a second time, under an id that nobody asked by. A stream has no size.
    const asked = new Set();
    wire.on("Network.requestWillBeSent", ({ requestId, request }) => request.url.includes("/realtime/") || asked.add(requestId));
    wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => (received += asked.delete(requestId) ? encodedDataLength : 0));
    const problems = [];
    let walked = 0;
    for (const path of await everyPage(demo)) {
      received = 0;
      await page.setViewportSize(wide);
      const answer = await page.goto(path, { waitUntil: "load" }).catch(isFile);
      if (!answer || !(await isPage(answer))) continue;
      walked += 1;
      if (!answer.ok()) complaints.length = 0; // the browser itself complains of a refusal
      if (await page.locator("[data-live]").count() && !/[45]\d\d/.test(answer.status())) await untilStatus(page, "live");
      if (received > MOST_KB * 1000) problems.push(`${path}: ${Math.round(received / 1000)} kB`);
      assert.ok([200, 403, 404, 409].includes(answer.status()), `${path}: ${answer.status()}`);
      assert.match(await page.title(), / · Optik Melati$/, path);
      assert.equal(await page.locator("main").count(), 1, path);
      await page.evaluate(axe);
      for (const size of [wide, phone]) {
        await page.setViewportSize(size);
        const over = await page.evaluate(tooWide);
        if (over) problems.push(`${path} at ${size.width}: ${over}`);
        for (const theme of ["light", "dark"]) {
          await page.evaluate((to) => (document.documentElement.dataset.bsTheme = to), theme);
          // only colours depend on the theme
          const what = theme === "light" ? {} : { runOnly: ["color-contrast", "link-in-text-block"] };
          const { violations } = await page.evaluate((rules) => window.axe.run({ resultTypes: ["violations"], ...rules }), what);
          for (const { id, nodes } of violations) problems.push(`${path} at ${size.width} ${theme}: ${id} at ${nodes.map(({ target }) => target).slice(0, 3).join(", ")}`);
        }
      }
      for (const small of await page.evaluate(tooSmall)) problems.push(`${path}: ${small}`);
      await page.evaluate(ofAGoodDay);
      for (const width of [360, 320]) {
        await page.setViewportSize({ width, height: 640 });
        const over = await page.evaluate(tooWide);
        if (over) problems.push(`${path} at ${width}: ${over}`);
      }
    }
    t.diagnostic(`${walked} pages`);
    assert.ok(walked >= 20, `${walked} pages`);
    assert.deepEqual({ problems, failures, complaints }, { problems: [], failures: [], complaints: [] });
  });
}

test("before signing in: the same", async () => {
  const { context } = await openWindow(browser, demo.url, { viewport: phone, reducedMotion: "reduce" });
  const page = await openTab(context, "/login");
  assert.deepEqual([...await violations(page), ...await page.evaluate(tooSmall)], []);
});

test("without JavaScript every page says what it knows", async () => {
  for (const name of ["kasir1", "admin1", "superadmin"]) {
    const { context, page } = await signIn(browser, demo.url, name, { javaScriptEnabled: false });
    const problems = [];
    for (const path of await everyPage(demo)) {
      const answer = await context.request.get(path, { headers: { Accept: "text/html" } });
      if (!(await isPage(answer))) continue;
      await page.goto(path);
      const said = (await page.locator("main").innerText()).replace(/\s+/g, " ").trim();
      if (said.length < 40) problems.push(`${path} says only: ${said}`);
      if (/Memuat|undefined|NaN/.test(said)) problems.push(`${path}: ${said.match(/.{0,20}(Memuat|undefined|NaN).{0,20}/)[0]}`);
      if (await page.locator(".live:visible").count()) problems.push(`${path}: says that it is connecting`);
      if (/Belum ada layar lain/.test(said)) problems.push(`${path}: says that nobody is there`);
      if (await page.locator("main .bone:visible").count()) problems.push(`${path}: a skeleton that nobody fills`);
    }
    assert.deepEqual(problems, [], name);
  }
});

test("without JavaScript an admin hires, a patient is corrected, a rate is set, and what is refused is not lost", async () => {
  const { page } = await signIn(browser, demo.url, "admin1", { javaScriptEnabled: false });
  await page.goto("/pengguna");
  await page.click("text=Pengguna baru");
  await page.fill("[name=name]", "Bayu Pratama");
  await page.fill("[name=email]", "kasir1@melati.test");
  await page.check("[name=role][value=kasir]");
  await page.click("main form .btn-primary");
  assert.equal(await page.locator("#salah-email").innerText(), "Surel ini sudah dipakai akun lain.");
  assert.equal(await page.inputValue("[name=name]"), "Bayu Pratama");
  await page.fill("[name=email]", "bayu@melati.test");
  await page.click("main form .btn-primary");
  const first = await page.locator(".first-password").innerText();
  assert.match(first.trim(), /^[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}$/);

  const patient = await demo.patient(1, "Ratna Wulandari");
  await page.goto(`/pasien/${patient}`);
  await page.click("text=Ubah");
  await page.fill("[name=od_sph]", "-2,25");
  await page.fill("[name=od_cyl]", "-0,5");
  await page.click("main form .btn-primary");
  assert.equal(await page.locator("#salah-od_axis").innerText(), "Silinder OD butuh aksis.");
  await page.fill("[name=od_axis]", "90");
  await page.click("main form .btn-primary");
  await page.waitForURL((url) => url.pathname === `/pasien/${patient}`);
  assert.ok((await page.locator("main").innerText()).includes("−2,25"));

  const pusat = await signIn(browser, demo.url, "superadmin", { javaScriptEnabled: false });
  await pusat.page.goto("/tarif");
  await pusat.page.selectOption("[name=service_type]", "BPJS I");
  await pusat.page.fill("[name=price]", "350.000");
  await pusat.page.fill("[name=effective_from]", "2031-01-01");
  await pusat.page.click("main form .btn-primary");
  await pusat.page.waitForSelector("text=akan datang");
  await pusat.page.goto("/cabang/baru");
  await pusat.page.fill("[name=name]", "Ternate");
  await pusat.page.fill("[name=kode]", "tte");
  await pusat.page.selectOption("[name=timezone]", "Asia/Jayapura");
  await pusat.page.click("main form .btn-primary");
  await pusat.page.waitForSelector("main >> text=Ternate");
  assert.equal(await demo.value("select kode from branches where name = 'Ternate'"), "TTE");
});

test("who follows the device gets its colours from the first paint, without a script, and charts hear of a change", async () => {
  const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const colours = {};
  for (const colorScheme of ["light", "dark"]) {
    for (const [chosen, storageState] of [["nobody", undefined], ["light", wearing("light")], ["dark", wearing("dark")]]) {
      const context = await browser.newContext({ baseURL: demo.url, colorScheme, storageState });
      await context.route("**/*.js", (route) => route.abort()); // whatever the colours are, no script made them
      const page = await openTab(context, "/login");
      colours[`${colorScheme} ${chosen}`] = await ground(page);
    }
  }
  assert.notEqual(colours["light nobody"], colours["dark nobody"]);
  for (const scheme of ["light", "dark"]) {
    assert.equal(colours[`${scheme} light`], colours["light nobody"]);
    assert.equal(colours[`${scheme} dark`], colours["dark nobody"]);
  }

  const { page } = await signIn(browser, demo.url, "kasir1", { colorScheme: "light" });
  await page.goto("/akun");
  assert.equal(await page.getAttribute("html", "data-bs-theme"), "system");
  await page.evaluate(() => {
    window.heard = 0;
    new MutationObserver(() => (window.heard += 1)).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  });
  await page.emulateMedia({ colorScheme: "dark" });
  await until(() => page.evaluate(() => window.heard > 0), "the charts to hear");
  assert.equal(await ground(page), colours["dark nobody"]);
  for (const [label, theme] of [["Terang", "light"], ["Gelap", "dark"], ["Ikut perangkat", "system"]]) {
    await page.click(`.segmented button:has-text("${label}")`);
    await page.waitForSelector(`html[data-bs-theme=${theme}]`);
    assert.equal(await page.getAttribute(`.segmented button:has-text("${label}")`, "aria-pressed"), "true");
  }
});

test("by keyboard one sees where one is, the first stop skips the navigation, and who wants no motion gets none", async () => {
  const { page } = await signIn(browser, demo.url, "admin1", { viewport: wide, reducedMotion: "reduce" });
  for (const path of ["/", "/stok", "/pengguna", "/pesanan"]) {
    await page.goto(path);
    await page.evaluate(() => document.activeElement?.blur());
    for (let stop = 0; stop < 25; stop += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const { top, bottom } = element.getBoundingClientRect();
        return { what: `${element.tagName} ${element.textContent.trim().slice(0, 20)}`, seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2, on: bottom > 0 && top < innerHeight };
      });
      if (!at) continue;
      assert.ok(at.seen && at.on, `${path}, stop ${stop}: ${JSON.stringify(at)}`);
      if (stop === 0) assert.match(at.what, /Langsung ke isi/);
    }
    const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((element) => {
      const { transitionDuration, animationName, animationDuration } = getComputedStyle(element);
      return parseFloat(transitionDuration) > 0 || (animationName !== "none" && parseFloat(animationDuration) > 0);
    }).length);
    assert.equal(moving, 0, `${path}: reduced motion`);
  }
});

test("in forced colours what is chosen, and where one is, still differs", async () => {
  const { page } = await signIn(browser, demo.url, "kasir1", { viewport: wide, forcedColors: "active" });
  await page.goto("/stok");
  const borders = (selector) => page.locator(selector).first().evaluate((element) => {
    const { outlineStyle, borderTopStyle, borderTopWidth, backgroundColor, color } = getComputedStyle(element);
    return [outlineStyle, borderTopStyle, borderTopWidth, backgroundColor, color].join();
  });
  for (const [chosen, other] of [[".nav-item[aria-current]", ".nav-list .nav-item:not([aria-current])"], [".segmented [aria-current]", ".segmented a:not([aria-current])"]]) {
    assert.notEqual(await borders(chosen), await borders(other), chosen);
  }
  for (const level of ["low", "normal"]) {
    assert.match(await page.locator(`.stock[data-level=${level}]`).first().evaluate((chip) => getComputedStyle(chip).borderTopStyle), /solid/);
  }
});

test("live regions are polite, and ten changes of stock are not read out", async () => {
  const { page } = await signIn(browser, demo.url, "kasir1");
  await page.goto("/stok?jenis=frame");
  await untilStatus(page, "live");
  const loud = await page.locator("[aria-live=assertive]").count();
  assert.equal(loud, 0);
  assert.equal(await page.locator("[role=alert]:visible").count(), 0, "alerts are for refusals");
  await page.evaluate(() => {
    window.readOut = [];
    const regions = "[role=status], [role=alert], [role=log], [aria-live]";
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const region = (target.nodeType === 1 ? target : target.parentElement)?.closest(regions);
        if (region) window.readOut.push(region.textContent.trim());
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const frame = await demo.frame(1);
  for (let n = 1; n <= 10; n += 1) await demo.setStock(frame, 40 + n);
  await until(async () => (await textOf(page, `[data-product="Frame:${frame.id}"] [data-stock]`)) === null || (await textOf(page, `[data-product="Frame:${frame.id}"] [data-stock]`)) === "50", "the last of them");
  assert.deepEqual(await page.evaluate(() => window.readOut), []);
  await demo.setStock(frame, 1); // that, however, is worth a word
  await until(() => page.evaluate(() => window.readOut.length > 0), "the alert to be read out");
});

test("that a page is live is not read out; that it is stale, and live again, is", async () => {
  const network = await Network.to(demo);
  try {
    const { page } = await signIn(browser, network.url, "kasir1");
    await page.addInitScript(() => {
      window.readOut = [];
      new MutationObserver((changes) => {
        for (const { target } of changes) {
          const region = (target.nodeType === 1 ? target : target.parentElement)?.closest("[role=status]");
          if (region?.textContent.trim() && region.closest(".topbar")) window.readOut.push(region.textContent.trim());
        }
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    await page.goto("/stok");
    await untilStatus(page, "live");
    assert.deepEqual(await page.evaluate(() => window.readOut), []);
    network.cut();
    await untilStatus(page, "stale");
    network.restore();
    await untilStatus(page, "live");
    const said = await page.evaluate(() => window.readOut);
    assert.equal(said.length, 2, said.join());
    assert.match(said[0], /^Sambungan terputus, data per/);
    assert.equal(said[1], "Tersambung lagi");
  } finally {
    await network.close();
  }
});

test("what has the focus is never under a bar, forwards and back", async () => {
  const { page } = await signIn(browser, demo.url, "admin1", { reducedMotion: "reduce" });
  for (const viewport of [{ width: 360, height: 640 }, { width: 1280, height: 640 }]) {
    await page.setViewportSize(viewport);
    for (const path of ["/stok?per=50", "/penjualan", "/pengguna"]) {
      await page.goto(path);
      for (const [key, stops] of [["Tab", 60], ["Shift+Tab", 60]]) {
        for (let stop = 0; stop < stops; stop += 1) {
          await page.keyboard.press(key);
          const hidden = await page.evaluate(() => {
            const element = document.activeElement;
            if (!element || element === document.body || element.closest(".topbar, .tabbar, .sidebar, .skip")) return null;
            const { left, right, top, bottom } = element.getBoundingClientRect();
            const bar = [.2, .5, .8].map((part) => document.elementFromPoint((left + right) / 2, top + (bottom - top) * part)?.closest(".topbar, .tabbar, .pay-bar")?.className);
            return top < 0 || bottom > innerHeight || bar.some(Boolean) ? `${element.textContent.trim().slice(0, 30)} at ${Math.round(top)}: ${bar}` : null;
          });
          assert.equal(hidden, null, `${path} at ${viewport.width}, ${key} ${stop}`);
        }
      }
    }
  }
});

test("paper is light, whatever the screen wears", async () => {
  for (const options of [{ storageState: wearing("dark") }, { colorScheme: "dark" }]) {
    const { page } = await signIn(browser, demo.url, "admin1", options);
    for (const path of ["/laporan", "/laporan/harian", "/stok"]) {
      await page.goto(path);
      const colours = () => page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector("main")).color]);
      await page.emulateMedia({ media: "screen" });
      const [, light] = await colours();
      assert.notEqual(light, "rgb(28, 27, 25)", "it was dark");
      await page.emulateMedia({ media: "print" });
      assert.deepEqual(await colours(), ["rgb(255, 255, 255)", "rgb(28, 27, 25)"], path);
    }
  }
});

test("P prints a receipt and nothing else, and not at all for who turned single keys off", async () => {
  const { page } = await signIn(browser, demo.url, "admin1");
  const receipt = `/penjualan/${await demo.value("select max(id) from penjualans where branch_id = 1")}/struk`;
  const printed = async (path) => {
    await page.goto(path);
    await page.keyboard.press("p");
    return page.evaluate(() => window.printed ?? 0);
  };
  assert.equal(await printed(receipt), 1);
  assert.equal(await printed("/laporan/harian/hari-ini"), 0);
  await page.goto("/akun");
  await page.uncheck("[data-switch=single-keys]");
  assert.equal(await printed(receipt), 0);
  await page.goto("/akun");
  assert.equal(await page.isChecked("[data-switch=single-keys]"), false);
  await page.check("[data-switch=single-keys]");
  assert.equal(await printed(receipt), 1);
});

test("a bar that scrolls shows that it does", async () => {
  const { page } = await signIn(browser, demo.url, "admin1", { viewport: { width: 320, height: 640 } });
  let scrolling = 0;
  for (const path of ["/notifikasi", "/peringatan", "/laporan", "/stok"]) {
    await page.goto(path);
    const bars = await page.evaluate(() => [...document.querySelectorAll(".segmented")].filter((bar) => bar.scrollWidth > bar.clientWidth).map((bar) => getComputedStyle(bar).backgroundImage));
    scrolling += bars.length;
    assert.ok(bars.every((image) => image.includes("gradient")), path);
  }
  assert.ok(scrolling > 0, "some do");
});

test("too many screens: the page says so, and is live by itself as soon as one is closed", async () => {
  const { context, page } = await signIn(browser, demo.url, "kasir2");
  await page.goto("about:blank"); // its own stream makes room
  const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const others = [];
  for (;;) {
    const closing = new AbortController();
    const answer = await fetch(`${demo.url}/realtime/stream?topics=dashboard`, { headers: { cookie }, signal: closing.signal });
    if (answer.status === 429) {
      assert.ok(Number(answer.headers.get("retry-after")) > 0);
      break;
    }
    assert.equal(answer.status, 200);
    others.push(closing);
    assert.ok(others.length < 100, "streams are limited");
  }
  await page.goto("/stok");
  await page.waitForSelector("text=terlalu banyak perangkat");
  assert.notEqual(await page.getAttribute("[data-live]", "data-live"), "live");
  assert.ok((await page.locator("main").innerText()).length > 100, "the page itself is there");
  for (const other of others) other.abort();
  await page.click("text=Coba lagi");
  await untilStatus(page, "live");
  await until(async () => (await page.locator("text=terlalu banyak perangkat").count()) === 0 || !(await page.locator("text=terlalu banyak perangkat").isVisible()), "the bar to go");
});

test("what is refused, gone or broken is said in a page of its own, with a way on", async () => {
  const { page } = await signIn(browser, demo.url, "kasir1", { viewport: phone });
  for (const [path, status, heading] of [["/pengguna", 403, "Ini bukan untuk peran Anda"], ["/tidak-ada", 404, "Halaman ini tidak ada"]]) {
    assert.equal((await page.goto(path)).status(), status);
    assert.equal(await textOf(page, "h1"), heading);
    assert.ok(await page.locator("text=Ke beranda").isVisible());
  }
  await demo.sql("alter table pasiens rename to pasiens_gone");
  try {
    assert.equal((await page.goto("/pasien")).status(), 500);
    assert.equal(await textOf(page, "h1"), "Ada yang salah di pihak kami");
    assert.match(await textOf(page, ".code"), /^[2-9A-Z]{4}-[2-9A-Z]{4}$/);
  } finally {
    await demo.sql("alter table pasiens_gone rename to pasiens");
  }
});
