// Bundles static/ into static/dist/, which the server embeds and serves under /assets/.
//   node static/build.mjs            once
//   node static/build.mjs --watch    and again at every change
//
// Names carry no hash: the server answers with an ETag, so that a page of the last version never asks for a file that the
// next one has renamed. Chunks of code that a page loads later (popups, the sales page) do carry one, because two
// versions of a chunk must not meet in one page.
import { build, context } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const out = join(here, "dist");

/** What ends up in the browser, and so owes its authors a notice. esbuild's own legal comments miss uPlot. */
async function thirdPartyNotices(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[1]);
  }
  const notices = [];
  for (const name of [...packages].sort()) {
    const folder = join(root, "node_modules", name);
    const { version, license, homepage } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} brings no licence text: its notice cannot be made`);
    notices.push(`${name} ${version} (${license})\n${homepage ?? ""}\n\n${(await readFile(join(folder, file), "utf8")).trim()}\n`);
  }
  return `The pages contain the following works of others.\n\n${notices.join(`\n${"-".repeat(80)}\n\n`)}`;
}

/**
 * `data-bs-theme="system"` follows the device, from the first paint and without a script: every rule of the dark theme again,
 * right behind itself so that the order stays what it was, for a device that is dark.
 */
function followDevice(css) {
  const dark = /\[data-bs-theme="?dark"?\]/;
  return css.replace(/([^{}]+)\{([^{}]*)\}/g, (rule, selectors, body) => {
    const meant = selectors.split(",").filter((selector) => dark.test(selector));
    if (!meant.length) return rule;
    const again = meant.map((selector) => selector.replace(dark, "[data-bs-theme=system]")).join(",");
    return `${rule}@media (prefers-color-scheme:dark){${again}{${body}}}`;
  });
}

/** Browsers look for a new service worker by its bytes: it must differ when what it keeps does. */
async function numberWorker() {
  const hash = createHash("sha256");
  for (const part of ["app.css", "icons.svg", "offline.html", "offline.js"]) hash.update(await readFile(join(out, part)));
  await appendFile(join(out, "sw.js"), `//${hash.digest("hex").slice(0, 16)}\n`);
}

const finish = {
  name: "finish",
  setup(bundle) {
    bundle.onEnd(async ({ metafile, errors }) => {
      if (errors.length) return;
      const css = join(out, "app.css");
      await writeFile(css, followDevice(await readFile(css, "utf8")));
      for (const file of ["icons.svg", "offline.html"]) await cp(join(here, file), join(out, file));
      await numberWorker();
      await writeFile(join(out, "third-party.txt"), await thirdPartyNotices(Object.keys(metafile.inputs)));
    });
  },
};

const options = {
  absWorkingDir: root,
  entryPoints: [
    { in: join(here, "app.js"), out: "app" },
    { in: join(here, "sw.js"), out: "sw" }, // imports nothing: a service worker is one plain script
    { in: join(here, "offline.js"), out: "offline" }, // alone, like the worker: it must be there when nothing else is
    { in: join(here, "styles/app.css"), out: "app" },
  ],
  outdir: out,
  bundle: true,
  minify: true,
  splitting: true,
  format: "esm",
  target: "es2020", // tablets in the shops are old; that is Safari 14, Chrome 80
  chunkNames: "[name]-[hash]",
  legalComments: "none", // third-party.txt holds them all
  metafile: true,
  logLevel: "warning",
  plugins: [finish],
};

if (!existsSync(join(root, "node_modules"))) {
  console.error("static/build.mjs: node_modules is missing; run `npm ci` first.");
  process.exit(1);
}
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
if (process.argv.includes("--watch")) await (await context(options)).watch();
else await build(options);
