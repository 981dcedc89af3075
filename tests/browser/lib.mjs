// What the browser tests stand on: a demo chain of their own on a free port, a real Chromium, people who sign in, and a
// network that can be cut.
//
//   node --test tests/browser/*.test.mjs      needs target/debug/melati (or MELATI_BIN) and a Chromium (or CHROMIUM)

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { chromium } from "playwright-core";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const melati = process.env.MELATI_BIN ?? join(root, "target/debug/melati");
const chromiumBinary = process.env.CHROMIUM
  || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

export const HEARTBEAT_MS = 1_000;
/** After so long a silence a page may no longer call itself live (silenceLimit in static/realtime/stream.js). */
export const SILENCE_MS = 2.34 * HEARTBEAT_MS;
/** So long anything may take that the tests wait for; a machine with two busy cores is slow. */
const PATIENCE_MS = 20_000;

pg.types.setTypeParser(pg.types.builtins.INT8, Number); // ids and rupiah, far below 2^53

// A test run that is told to stop takes its servers with it.
const running = new Set();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    for (const child of running) child.kill("SIGTERM");
    process.exit(1);
  });
}

/** A demo chain in which nothing moves by itself, with short heartbeats so that tests need not wait for long ones. */
export class Demo {
  static async start() {
    const directory = await mkdtemp(join(tmpdir(), "melati-test-"));
    await chmod(directory, 0o755); // run as root, Postgres runs as someone else, who must get through
    const demo = new Demo();
    demo.directory = directory;
    demo.port = 0;
    await demo.run();
    return demo;
  }

  /** Resolves when it has said its address; again on the same port, because that is where the pages look for it. */
  async run() {
    const child = spawn(melati, [
      "demo", "--listen", `127.0.0.1:${this.port}`, "--data-dir", join(this.directory, "data"),
      "--sales-per-minute", "0", "--metrics-listen", "", "--heartbeat-seconds", String(HEARTBEAT_MS / 1000),
    ], { stdio: ["ignore", "pipe", "pipe"] });
    this.process = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    this.output = "";
    const [, url, sockets] = await new Promise((resolve, reject) => {
      const heard = (chunk) => {
        this.output += chunk;
        const said = /Melati: +(http:\S+)[^]*psql: +psql -h (\S+)/.exec(this.output);
        if (said && /the feed stands/.test(this.output)) resolve(said);
      };
      child.stdout.on("data", heard);
      child.stderr.on("data", heard);
      child.on("exit", (code) => reject(new Error(`melati demo ended with ${code}:\n${this.output}`)));
    });
    this.url = url;
    this.port = Number(new URL(url).port);
    this.pool = new pg.Pool({ host: sockets, port: 5432, user: "melati", database: "melati", max: 2 });
    this.pool.on("error", () => {}); // the database went away with the server: the next statement says so
  }

  /** One statement, as anyone might type it into psql. Resolves to its rows. */
  async sql(text, values = []) {
    return (await this.pool.query(text, values)).rows;
  }

  /** The one row that the statement has. */
  async row(text, values = []) {
    const rows = await this.sql(text, values);
    assert.equal(rows.length, 1, `${rows.length} rows of: ${text}`);
    return rows[0];
  }

  /** The one number (or text) that the statement has. */
  async value(text, values = []) {
    return Object.values(await this.row(text, values))[0];
  }

  /** Asks it to end (SIGTERM) and demands that it does so well, or kills it (SIGKILL). */
  async halt(signal = "SIGTERM") {
    await this.pool.end();
    const child = this.process;
    const code = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    if (signal === "SIGTERM") assert.equal(await code, 0, this.output);
    else await code;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.halt();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A product of the branch with plenty in stock, each call another one. */
  async frame(branch, condition = "true") {
    this.framesTaken = (this.framesTaken ?? -1) + 1;
    return this.row(
      `select id, kode_frame as kode, merk_frame as merk, jenis_frame as jenis, harga_jual_frame as price, stok from frames
       where branch_id = $1 and stok > 12 and ${condition} order by id offset $2 limit 1`, [branch, this.framesTaken]);
  }

  setStock(frame, stok) {
    return this.sql("update frames set stok = $2 where id = $1", [frame.id, stok]);
  }

  /** A patient of the branch, who can be found by this name. */
  async patient(branch, name, service = "UMUM") {
    return this.value("insert into pasiens (branch_id, nama_pasien, service_type, no_bpjs) values ($1, $2, $3, $4) returning id",
      [branch, name, service, service === "UMUM" ? "" : "0001234567890"]);
  }

  /** Selling needs an open day; whether the demo left it open depends on the hour. */
  openDay(branch) {
    return this.sql(
      `insert into open_days (branch_id, tanggal, is_open, opened_at) select branch_id, tanggal, true, now() from branch_days
       where branch_id = $1 on conflict (branch_id, tanggal) do update set is_open = true`, [branch]);
  }
}

/** The wire between the browser and the server. Counts the streams that are open on it, whatever the pages say. */
export class Network {
  static async to(demo) {
    const network = new Network();
    network.demo = demo;
    await new Promise((resolve) => (network.server = createServer((socket) => network.#accept(socket)).listen(0, "127.0.0.1", resolve)));
    network.url = `http://127.0.0.1:${network.server.address().port}`;
    return network;
  }

  #state = "up";
  #wires = new Set();

  get streams() {
    return [...this.#wires].filter((wire) => wire.isStream).length;
  }

  /** Every connection breaks, and none is accepted: a server that is gone, a cable pulled at this end. */
  cut() {
    this.#state = "cut";
    for (const wire of this.#wires) wire.end();
  }

  /** Nothing passes and nobody is told: a router that forgot, a cable pulled at the other end. */
  blackhole() {
    this.#state = "blackhole";
    for (const wire of this.#wires) wire.isDead = true;
  }

  /** A proxy that stands before a server which is gone: it answers, and says so. */
  badGateway() {
    this.cut();
    this.#state = "bad gateway";
  }

  /** New connections pass; those that were swallowed stay swallowed. */
  restore() {
    this.#state = "up";
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #accept(near) {
    if (this.#state === "cut") {
      near.destroy();
      return;
    }
    if (this.#state === "bad gateway") {
      near.once("data", () => near.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 11\r\nConnection: close\r\n\r\nBad Gateway"));
      near.on("error", () => near.destroy());
      return;
    }
    const far = connect(this.demo.port, "127.0.0.1");
    const wire = {
      isDead: this.#state === "blackhole",
      isStream: false,
      end: () => {
        this.#wires.delete(wire);
        near.destroy();
        far.destroy();
      },
    };
    this.#wires.add(wire);
    near.on("data", (bytes) => {
      const asked = /^(?:GET|POST|HEAD) (\S+)/.exec(bytes.subarray(0, 200).toString("latin1"))?.[1];
      if (asked) wire.isStream = asked.startsWith("/realtime/");
      if (!wire.isDead) far.write(bytes);
    });
    far.on("data", (bytes) => wire.isDead || near.write(bytes));
    near.on("close", wire.end);
    near.on("error", wire.end);
    // A connection that was swallowed hears nothing of its end, either.
    far.on("close", () => wire.isDead || wire.end());
    far.on("error", () => wire.isDead || wire.end());
  }
}

/** A name that the browser does not trust as it trusts 127.0.0.1: no Web Locks there, as in a shop without TLS. */
export const SHOP_WITHOUT_TLS = "toko.example";

/** args: further ones for Chromium. */
export function launch({ args = [], ...options } = {}) {
  if (!chromiumBinary) throw new Error("no Chromium found: install one, or name it in CHROMIUM");
  return chromium.launch({
    executablePath: chromiumBinary,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${SHOP_WITHOUT_TLS} 127.0.0.1`, ...args],
    ...options,
  });
}

/**
 * A browser profile of its own, signed in through the login page; `page` is the dashboard, context.newPage() opens further
 * tabs. `failures` collects what no page may do (break, or break the content security policy); `complaints` all that the
 * console says besides.
 */
export async function signIn(browser, url, name, options = {}) {
  const { context, failures, complaints } = await openWindow(browser, url, options);
  const page = await openTab(context, "/login");
  await page.fill("[name=email]", `${name}@melati.test`);
  await page.fill("[name=password]", "melati-demo");
  await page.click("main form button:not([type=button])");
  await page.waitForURL((at) => at.pathname === "/");
  return { context, page, failures, complaints };
}

export async function openWindow(browser, url, options = {}) {
  const context = await browser.newContext({ baseURL: url, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  if (options.javaScriptEnabled !== false) await context.addInitScript(remember);
  const failures = [];
  const complaints = [];
  context.on("weberror", (error) => failures.push(error.error().stack));
  context.on("dialog", (dialog) => {
    failures.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  context.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) failures.push(message.text());
    else if (["error", "warning"].includes(message.type())) complaints.push(`${message.text()} (${message.location().url})`);
  });
  return { context, failures, complaints };
}

/** The storageState of somebody who chose this look, "light" or "dark", on the account page. */
export const wearing = (theme) => ({
  cookies: [{ name: "theme", value: theme, domain: "127.0.0.1", path: "/", expires: -1, httpOnly: false, secure: false, sameSite: "Lax" }],
  origins: [],
});

/** Runs in every page before its own scripts: what it opened, how often it printed, and all that its indicator ever said. */
function remember() {
  window.openedStreams = [];
  window.EventSource = class extends EventSource {
    constructor(...parts) {
      super(...parts);
      window.openedStreams.push(this);
    }
  };
  window.indicated = [];
  window.print = () => (window.printed = (window.printed ?? 0) + 1); // no dialog that nobody answers
  new MutationObserver(() => {
    const is = document.querySelector("[data-live]")?.dataset.live;
    if (is && window.indicated[window.indicated.length - 1]?.is !== is) window.indicated.push({ is, at: Date.now() });
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["data-live"] });
}

/** Does this tab hold the browser's connection? */
export const isLeader = (page) => page.evaluate(() => window.openedStreams.some((stream) => stream.readyState !== 2));

export async function openTab(context, path) {
  const page = await context.newPage();
  await page.goto(path);
  return page;
}

/** Waits until the page's indicator says so: "live", "connecting" or "stale". */
export const untilStatus = (page, status) => page.waitForSelector(`[data-live="${status}"]`, { state: "attached" });

/** What was low before the first page in a browser is no news there: until it has looked, nothing asks. */
export const untilFirstLook = (page) => until(() => page.evaluate(async () => {
  if (!(await indexedDB.databases()).some(({ name }) => name === "melati")) return false;
  return new Promise((resolve) => {
    indexedDB.open("melati").onsuccess = ({ target: { result: database } }) => {
      database.transaction("once").objectStore("once").count().onsuccess = ({ target }) => resolve(target.result > 0);
      database.close();
    };
  });
}), "the first look");

/** Waits until the element's text is this (a string, or a pattern); no-break spaces count as spaces. */
export async function untilText(page, selector, wanted) {
  let text;
  await until(async () => {
    text = await textOf(page, selector);
    return wanted instanceof RegExp ? wanted.test(text) : text === String(wanted);
  }, () => `${selector} to say ${wanted}, not ${JSON.stringify(text)} (${page.url()})`);
}

/** The first one's text as people read it, or null where there is none (or the page is just being left). */
export async function textOf(page, selector) {
  const read = (where) => document.querySelector(where)?.textContent.replace(/\s+/g, " ").trim() ?? null;
  return page.evaluate(read, selector).catch((error) => {
    if (/navigation/.test(error.message)) return null;
    throw error;
  });
}

/** The sales page, ready for its keys: its code comes after it, and has come when there is something to choose. */
export async function openTill(context) {
  const page = await openTab(context, "/penjualan/create");
  await page.waitForSelector("#hasil [role=option]");
  return page;
}

/** So long a page may take to say what it shows. One that is just being left may never answer; the next one is asked again. */
const ANSWER_MS = 4_000;

/**
 * Between stories. A window that is closed while it is being led on may never say that it is closed (Playwright 1.65 with a
 * service worker): it is left to the browser's end.
 */
export const closeWindows = (browser) => Promise.all(browser.contexts().map((context) => answered(context.close())));

/** Polls until `check` holds. What it waits for is said when it does not come. */
export async function until(check, what) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await answered(check()))) {
    if (Date.now() > deadline) assert.fail(`waited in vain for ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

async function answered(asked) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ANSWER_MS, false)));
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
    asked.catch?.(() => {}); // what comes after all concerns nobody
  }
}

/** What is no page: assets, data for scripts and programs, streams. */
const NO_PAGE = /^\/(assets|health|api|realtime|metrics|login|sw\.js|manifest)/;

/** axe-core, to be evaluated in a page: its policy would rightly refuse it as a script. */
export const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds on the page as it is now, in both themes. */
export async function violations(page) {
  await page.evaluate(axe);
  const found = [];
  for (const theme of ["light", "dark"]) {
    await page.evaluate((to) => (document.documentElement.dataset.bsTheme = to), theme);
    const { violations: all } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
    found.push(...all.map(({ id, nodes }) => `${theme}: ${id} at ${nodes.map(({ target }) => target).slice(0, 3).join(", ")}`));
  }
  return found;
}

/** Every page there is, as the table in tests/hostile/routes.rs has them, at home in branch 1 of the demo; and some of their states. */
export async function everyPage(demo) {
  const table = await readFile(join(root, "tests/hostile/routes.rs"), "utf8");
  const listed = [...table.matchAll(/^\s+get\(\s*"([^"]+)",\s*"([^"]+)"/gm)].map(([, path, here]) => ({ path, here }));
  assert.ok(listed.length > 30, `the table was read: ${listed.length}`);
  const sale = await demo.value("select id from penjualans where branch_id = 1 and kekurangan > 0 order by id desc limit 1");
  const frame = await demo.frame(1);
  const patient = await demo.value("select pasien_id from penjualans where id = $1", [sale]);
  // a count and a transfer, half done
  const opname = await demo.value(`with made as (insert into stock_opnames (branch_id, product_type) values (1, 'Aksesoris')
    on conflict do nothing returning id) select id from made union select id from stock_opnames where branch_id = 1 and product_type = 'Aksesoris' limit 1`);
  const transfer = await demo.value("insert into stock_transfers (from_branch, to_branch) select 1, min(id) from branches where id <> 1 returning id");
  const fill = {
    "/stok/{jenis}/baru": "", "/stok/opname/{id}": opname, "/stok/transfer/{id}": transfer,
    "/stok/impor/{id}": await demo.value(`insert into stock_imports (branch_id, user_id, product_type, reason, file_name, body)
      select 1, id, 'Frame', 'koreksi', 'stok.csv', 'kode;merk;harga_jual' || chr(10) || 'FRX;Nusa;150.000' from users where email = 'admin1@melati.test' returning id`),
    "/stok/{jenis}/{id}": frame.id, "/penjualan/{id}": sale, "/pasien/{id}": patient, "/cabang/{id}": 1,
    "/pengguna/{id}": await demo.value("select id from users where branch_id = 1 and role = 'kasir' order by id desc limit 1"),
  };
  const found = [];
  for (const { path, here } of listed) {
    if (NO_PAGE.test(path)) continue;
    const kind = Object.keys(fill).filter((kind) => path.startsWith(kind)).sort((a, b) => b.length - a.length)[0];
    // reports and days are the same everywhere: as the table has them
    const filled = path.startsWith("/laporan/") ? here.split("?")[0] : kind ? path.replace("{jenis}", "frame").replace("{id}", fill[kind]) : path;
    // what a query says may be needed (a file's kind, a day): as the table has it
    const query = here.includes("?") ? here.slice(here.indexOf("?")) : "";
    assert.ok(!filled.includes("{"), `what stands for the braces of ${path} in the demo? Say it in tests/browser/lib.mjs`);
    found.push(filled + query);
  }
  // a sale's page offers something else at each step of the work
  for (const work of ["Menunggu Pengerjaan", "Sedang Dikerjakan", "Siap Diambil", "Sudah Diambil"]) {
    const one = await demo.value("select id from penjualans where branch_id = 1 and status_pengerjaan = $1 order by id desc limit 1", [work]);
    if (one) found.push(`/penjualan/${one}`);
  }
  return [...new Set([...found, "/?rentang=7", "/stok?jenis=lensa", "/stok?jenis=aksesoris&level=low", "/stok?cari=tidakadayangbegini",
    `/stok?jenis=frame&buka=${frame.id}&ubah=koreksi&cari=${frame.kode}`, "/penjualan?cari=tidakadayangbegini", "/pasien?cari=tidakadayangbegini",
    "/pengguna?cari=tidakadayangbegini", "/pesanan?saring=kurang", "/tidak-ada"])];
}

/** For `goto(…).catch`: null where the address is that of a file, which the browser saves instead of showing. */
export function isFile(error) {
  if (/ERR_ABORTED|Download is starting/.test(error.message)) return null;
  throw error;
}

export const rupiah = (amount) => `Rp ${String(amount).replace(/\B(?=(\d{3})+$)/g, ".")}`;

/** A sale by whoever is signed in there, without a page: for what others should see of it. */
export async function sell(context, { pasien_id, frame, quantity = 1, ...payment }) {
  const response = await context.request.post("/penjualan", {
    headers: { Accept: "application/json" },
    data: {
      client_ref: crypto.randomUUID(), pasien_id, items: [{ product_type: "Frame", product_id: frame.id, quantity }], ...payment,
    },
  });
  assert.equal(response.status(), 201, await response.text());
  return response.json();
}
