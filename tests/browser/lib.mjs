// What the browser tests stand on: a demo chain of their own on a free port, a real Chromium, people who sign in.
//
//   npm run test:browser              needs target/debug/melati (or MELATI_BIN) and a Chromium (or CHROMIUM_BIN)

import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const melati = process.env.MELATI_BIN ?? join(root, "target/debug/melati");
const chromiumBinary = process.env.CHROMIUM_BIN
  ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

/** A demo chain in which nothing moves by itself, with short heartbeats so that tests need not wait for long ones. */
export class Demo {
  static async start() {
    const directory = await mkdtemp(join(tmpdir(), "melati-test-"));
    await chmod(directory, 0o755); // run as root, Postgres runs as someone else, who must get through
    // A port of our own choosing: after a restart the pages must find the server where it was.
    const demo = new Demo(directory, await freePort());
    await demo.run();
    return demo;
  }

  constructor(directory, port) {
    this.directory = directory;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Resolves when it says its address. */
  async run() {
    const process_ = spawn(melati, [
      "demo", "--listen", `127.0.0.1:${this.port}`, "--data-dir", join(this.directory, "data"),
      "--sales-per-minute", "0", "--heartbeat-seconds", "1",
    ], { stdio: ["ignore", "pipe", "pipe"] });
    this.process = process_;
    this.output = "";
    await new Promise((resolve, reject) => {
      const heard = (chunk) => {
        this.output += chunk;
        if (/the feed stands/.test(this.output)) resolve();
      };
      process_.stdout.on("data", heard);
      process_.stderr.on("data", heard);
      process_.on("exit", (code) => reject(new Error(`melati demo ended with ${code}:\n${this.output}`)));
    });
    this.socketDirectory ??= /psql -h (\S+)/.exec(this.output)[1];
  }

  async halt() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    await ended;
  }

  /** One statement, typed into psql as anyone might. */
  async psql(sql) {
    const { stdout } = await promisify(execFile)("psql", ["-h", this.socketDirectory, "-U", "melati", "-Atqc", sql, "melati"]);
    return stdout.trim();
  }

  async stop() {
    if (this.process.exitCode === null) await this.halt();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A name that the browser does not trust as it trusts 127.0.0.1: no Web Locks there, as in a shop without TLS. */
export const SHOP_WITHOUT_TLS = "toko.example";

export function launch() {
  if (!chromiumBinary) throw new Error("no Chromium found: install one, or name it in CHROMIUM_BIN");
  return chromium.launch({
    executablePath: chromiumBinary,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${SHOP_WITHOUT_TLS} 127.0.0.1`],
  });
}

/** A browser profile of its own, signed in; its first page is the dashboard. `context.newPage()` opens further tabs. */
export async function signIn(browser, demo, name, host = "127.0.0.1") {
  const context = await browser.newContext({ baseURL: demo.url.replace("127.0.0.1", host) });
  await context.addInitScript(rememberStreams);
  const page = await context.newPage();
  const failures = [];
  context.on("weberror", (error) => failures.push(error.error().stack));
  context.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) failures.push(message.text());
  });
  await page.goto("/login");
  await page.fill("[name=email]", `${name}@melati.test`);
  await page.fill("[name=password]", "melati-demo");
  await page.click("form button:not([type=button])");
  await page.waitForURL((url) => url.pathname === "/");
  return { context, page, failures };
}

/** How many streams these tabs have open or are opening, all together. */
export async function countStreams(tabs) {
  const counts = await Promise.all(tabs.map((tab) => tab.evaluate(() => openedStreams.filter((stream) => stream.readyState !== 2).length)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Playwright does not report an EventSource's end, so every page keeps a list of its own. */
function rememberStreams() {
  window.openedStreams = [];
  window.EventSource = class extends EventSource {
    constructor(...parts) {
      super(...parts);
      window.openedStreams.push(this);
    }
  };
}

export async function openTab(context, path) {
  const page = await context.newPage();
  await page.goto(path);
  return page;
}

/** Waits until the page's indicator says so: "live", "connecting" or "stale". */
export function untilStatus(page, status) {
  return page.waitForSelector(`[data-live="${status}"]`, { state: "attached" });
}

/** Waits until the element's text is this (no-break spaces count as spaces). */
export function untilText(page, selector, text) {
  return page.waitForFunction(
    ([where, wanted]) => document.querySelector(where)?.textContent.replace(/\u00a0/g, " ").trim() === wanted,
    [selector, text],
  );
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
