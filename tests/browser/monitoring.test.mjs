// Those who look after it: who is connected, a stream that is cut off, how long it takes until a change is painted, and what
// stands between a browser and the server (a real nginx, set up well and badly).

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Demo, launch, signIn, textOf, until, untilStatus, untilText } from "./lib.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let demo;
let browser;
before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const rowOf = (name) => `[data-list="monitoring:listeners"] tr:has(th span:text-is("${name}"))`;
const nameOf = (email) => demo.value("select name from users where email = $1", [`${email}@melati.test`]);

test("the head office sees who connects, as it happens, and cuts a stream off: that screen comes back by itself", async () => {
  const { page, failures } = await signIn(browser, demo.url, "superadmin");
  await page.goto("/pantauan");
  await untilStatus(page, "live");
  const kasir = await nameOf("kasir1");
  assert.equal(await page.locator(rowOf(kasir)).count(), 0);

  const shop = await signIn(browser, demo.url, "kasir1");
  await untilStatus(shop.page, "live");
  await page.waitForSelector(rowOf(kasir));
  await page.waitForSelector(`[data-list="monitoring:online"] li:has-text("${kasir}")`);
  assert.match(await page.locator(`${rowOf(kasir)} .topics`).textContent(), /omset-kasir/);
  await page.waitForSelector("[data-streams-chart] canvas");
  await untilText(page, "[data-streams-words]", /^Sekarang [2-9]\d* sambungan/);
  const stream = await page.locator(`${rowOf(kasir)} input[name=stream]`).inputValue();

  await page.locator(`${rowOf(kasir)} button`).click();
  await page.waitForSelector("text=Sambungan diputus");
  await page.waitForSelector(`input[name=stream][value="${stream}"]`, { state: "detached" });
  await until(() => shop.page.evaluate(() => window.indicated.some(({ is }) => is === "connecting")), "the screen to notice");
  await untilStatus(shop.page, "live");
  await page.waitForSelector(rowOf(kasir)); // under another number
  const log = await demo.row("select actor_id is not null as signed, subject from audit_log where action = 'stream_cut'");
  assert.deepEqual(log, { signed: true, subject: "kasir1@melati.test" });
  assert.deepEqual([...failures, ...shop.failures], []);
});

test("the last hour is drawn by branch, each line can be left out, and what breaks is counted", async () => {
  const { page, failures } = await signIn(browser, demo.url, "superadmin");
  const shop = await signIn(browser, demo.url, "kasir5");
  await untilStatus(shop.page, "live");
  const branch = await demo.value("select b.name from users u join branches b on b.id = u.branch_id where u.email = 'kasir5@melati.test'");
  await page.goto("/pantauan");
  await untilStatus(page, "live");
  await page.waitForSelector("[data-streams-chart] canvas");
  await page.waitForSelector(`[data-streams-key] label:has-text("${branch}")`); // also of whoever connected just now
  const keys = await page.locator("[data-streams-key] label").allTextContents();
  assert.ok(keys.length > 1 && keys.length <= 5, `${keys}`);
  assert.equal(new Set(keys).size, keys.length);
  // what is drawn, as pixels of a line's own colour
  const coloured = (series) => page.evaluate((n) => {
    const canvas = document.querySelector("[data-streams-chart] canvas");
    const probe = document.createElement("span");
    probe.style.color = `var(--series-${n})`;
    document.body.append(probe);
    const wanted = getComputedStyle(probe).color.match(/\d+/g).map(Number);
    probe.remove();
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && wanted.every((value, channel) => Math.abs(data[i + channel] - value) < 12)) count += 1;
    return count;
  }, series);
  const series = keys.indexOf(branch) + 1;
  const key = page.locator(`[data-streams-key] label[data-series="${series}"]`);
  await untilText(page, "[data-streams-words]", new RegExp(`${branch} [1-9]`));
  await until(async () => (await coloured(series)) > 0, "the branch to be drawn");
  await key.click();
  await until(async () => (await coloured(series)) === 0, "the branch to be left out");
  await key.click();
  await until(async () => (await coloured(series)) > 0, "the branch to be back");

  await untilText(page, "[data-errors-words]", /Tidak ada galat sejak|galat sejak/);
  await demo.sql("alter table pasiens rename to hilang");
  try {
    const status = await shop.page.evaluate(() => fetch("/api/pasien?cari=a").then((answer) => answer.status));
    assert.equal(status, 500);
  } finally {
    await demo.sql("alter table hilang rename to pasiens");
  }
  await untilText(page, "[data-errors-words]", /^[1-9]\d* galat sejak/);
  assert.ok(await page.locator("[data-errors-chart] canvas").isVisible());
  assert.deepEqual(failures, []);
});

test("the pages of those who look after it hold on a phone and a desk, light and dark", async () => {
  const shop = await signIn(browser, demo.url, "kasir1");
  await untilStatus(shop.page, "live");
  for (const [width, colorScheme] of [[360, "dark"], [1280, "light"]]) {
    const { context, page, failures } = await signIn(browser, demo.url, "superadmin", { viewport: { width, height: 800 }, colorScheme });
    for (const path of ["/pantauan", "/pantauan/jalur"]) {
      await page.goto(path);
      if (path === "/pantauan") await page.waitForSelector("[data-streams-chart] canvas");
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(tooWide, 0, `${path} is too wide at ${width}`);
      await page.evaluate(axe); // not as a script of the page: its policy would rightly refuse that
      const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `${path} at ${width}, ${colorScheme}`);
    }
    assert.deepEqual(failures, []);
    await context.close();
  }
});

test("an admin sees their branch, and a kasir is told that this is not for them", async () => {
  const shop = await signIn(browser, demo.url, "kasir2");
  const own = await signIn(browser, demo.url, "kasir3");
  for (const { page } of [shop, own]) await untilStatus(page, "live");
  const { page, failures } = await signIn(browser, demo.url, "admin3");
  await page.goto("/pantauan");
  await page.waitForSelector(rowOf(await nameOf("kasir3")));
  assert.equal(await page.locator(rowOf(await nameOf("kasir2"))).count(), 0);
  assert.equal(await page.locator("#judul-penahan").count(), 0, "what holds the database up is for the head office");
  const answer = await own.page.goto("/pantauan");
  assert.equal(answer.status(), 403);
  assert.deepEqual(failures, []);
});

test("a page measures how long it takes from the row to the painted screen", async () => {
  const office = await signIn(browser, demo.url, "superadmin");
  await office.page.goto("/pantauan");
  const { page, failures } = await signIn(browser, demo.url, "admin4");
  const frame = await demo.frame(4);
  await page.goto(`/stok/frame/${frame.id}`);
  await untilStatus(page, "live");
  const branch = await demo.value("select name from branches where id = 4");
  const line = `[data-list="monitoring:branches"] tr:has(th:text-is("${branch}"))`;
  let stok = 30;
  let told;
  await until(async () => {
    await demo.setStock(frame, (stok += 1));
    told = await office.page.locator(`${line} [data-field=p50]`).textContent();
    return told !== "–";
  }, "the branch to have a measure");
  assert.match(told, /^[\d,]+ (ms|dtk)$/);
  const seconds = Number(told.replace(",", ".").split(" ")[0]) * (told.endsWith("ms") ? 0.001 : 1);
  assert.ok(seconds > 0 && seconds < 10, `from a commit to a painted screen: ${told}`);
  assert.deepEqual(failures, []);
});

const nginx = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx"].find((path) => existsSync(path));

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

/** Three ways through one nginx: one that buffers, one that cuts what is quiet, and one as it should be. */
async function startNginx() {
  const folder = await mkdtemp(join(tmpdir(), "melati-nginx-"));
  const [buffering, impatient, good] = [await freePort(), await freePort(), await freePort()];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=127.0.0.1", "-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")], { stdio: "ignore" });
  const way = (listen, location) => `server {
    listen 127.0.0.1:${listen};
    location / { proxy_pass ${demo.url}; ${location} }
  }`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join("\n  ");
  await writeFile(join(folder, "nginx.conf"), `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  ${way(buffering, "proxy_http_version 1.0; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; gzip on; gzip_types text/event-stream; gzip_min_length 0; proxy_read_timeout 75s;")}
  ${way(impatient, "proxy_buffering off; proxy_read_timeout 400ms;")}
  ${way(`${good} ssl http2`, "proxy_buffering off; proxy_read_timeout 75s;")}
  ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
}`);
  const child = spawn(nginx, ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")], { stdio: "inherit" });
  return {
    buffering: `http://127.0.0.1:${buffering}`,
    impatient: `http://127.0.0.1:${impatient}`,
    good: `https://127.0.0.1:${good}`,
    async stop() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test("the test of the line says what a proxy does to the streams, and what to change", { skip: nginx ? false : "SKIPPED: nginx is not installed, so the line was not tested through one" }, async () => {
  const proxy = await startNginx();
  try {
    const { page, failures } = await signIn(browser, demo.url, "superadmin", { ignoreHTTPSErrors: true });
    const verdicts = {};
    for (const way of ["buffering", "impatient", "good"]) {
      await until(async () => (await page.goto(`${proxy[way]}/pantauan/jalur`).catch(() => null))?.ok(), "nginx to listen");
      await page.waitForSelector("[data-line-start]");
      await until(async () => {
        await page.locator("[data-line-start]").click({ timeout: 1000 }).catch(() => {});
        return (await page.getAttribute('[data-check="pieces"]', "data-result")) !== "none"; // the script has come
      }, "the test to begin");
      await page.waitForSelector("[data-line-start]:not([disabled])");
      verdicts[way] = await page.evaluate(() => Object.fromEntries(
        [...document.querySelectorAll("[data-check]")].map((row) => [row.dataset.check, row.dataset.result])));
      if (way === "buffering") {
        assert.equal(await page.locator('[data-check="pieces"] [data-when="bad"]').isVisible(), true, JSON.stringify(verdicts));
        assert.match(await textOf(page, '[data-check="pieces"] [data-when="bad"]'), /setelah [1-9][\d,]* detik.*proxy_buffering off;/);
        assert.equal(await page.locator('[data-check="pieces"] [data-when="good"]').isVisible(), false);
      }
      if (way === "impatient") assert.match(await textOf(page, '[data-check="idle"] [data-when="bad"]'), /proxy_read_timeout 75s/);
      if (way === "good") assert.match(await textOf(page, '[data-check="protocol"] [data-when="good"]'), /HTTP\/2/);
    }
    assert.deepEqual(verdicts, {
      buffering: { pieces: "bad", idle: "good", protocol: "bad" },
      impatient: { pieces: "good", idle: "bad", protocol: "bad" },
      good: { pieces: "good", idle: "good", protocol: "good" },
    });
    assert.deepEqual(failures, []);
  } finally {
    await proxy.stop();
  }
});
