// The tab that holds the connection, and what it owes to the others: every event, the current states, the status of the
// connection, and, to a tab that joins with a cursor of its own, exactly what that tab has missed.
//
// It knows only cursors as opaque strings. A joining tab's cursor either stands in the log (then the log answers), or the
// leader opens a second, short connection from that cursor for that tab alone, one at a time, until the server says that
// it has caught up (its first heartbeat). The main connection is not disturbed, and nobody else hears old news again.
//
// Every message bears the leader's name and a running number: a tab that finds a gap joins anew from its own cursor.

import { Log } from "./log.js";
import { silenceLimit, Stream, streamUrl } from "./stream.js";

/** State topics send their whole current state on connecting; only these can have missed something. */
export const LOG_TOPICS = ["notifications", "orders", "stock-updates"];

const GATHER_MS = 40;   // eight tabs that open at once say hello within this: one connection, not eight
const SHRINK_MS = 5_000;
const LINGER_MS = 150;  // behind nginx the second connection may reach a server that is a few ticks behind the first

export class Leader {
  #number = 0;
  #log = new Log();
  #states = new Map();   // topic → {data, id}
  #tabs = new Map();     // tab → {topics, heardAt}
  #hellos = [];          // not yet answered
  #topics = [];          // what the main connection carries
  #begun = false;
  #gathering = 0;
  #shrinking = 0;
  #catchUps = [];        // {tab, nonce, topics, cursor}, one at a time
  #catchUp = null;
  #retrying = 0;
  #ticking = 0;

  constructor({ name, heartbeatMs, branch, send }) {
    this.name = name;
    this.heartbeatMs = heartbeatMs;
    this.branch = branch;
    this.send = (message) => send({ ...message, leader: name, number: ++this.#number });
    this.main = new Stream({ heartbeatMs, branch }, {
      event: (topic, data, id) => this.#event(topic, data, id),
      heartbeat: (id) => {
        this.#log.mark(id);
        this.#prune();
        this.#tellStatus();
      },
      up: () => {
        this.#tellStatus();
        this.#nextCatchUp();
      },
      down: () => this.#tellStatus(),
      signedOut: () => this.send({ type: "signed-out" }),
      crowded: () => this.send({ type: "crowded" }),
    });
  }

  start() {
    this.send({ type: "lead" }); // everyone answers with a hello
    this.#gathering = setTimeout(() => this.#answer(), GATHER_MS);
    this.#ticking = setInterval(() => this.#tellStatus(), this.heartbeatMs); // also while there is no server to hear
  }

  stop() {
    clearTimeout(this.#gathering);
    clearTimeout(this.#shrinking);
    clearTimeout(this.#retrying);
    clearInterval(this.#ticking);
    this.main.close();
    this.#endCatchUp();
    this.#catchUps = [];
  }

  wake() {
    if (this.#topics.length) this.main.wake();
  }

  /** A message from a tab, this one included. */
  hear(message) {
    if (message.type === "hello") {
      this.#tabs.set(message.tab, { topics: Object.keys(message.topics), heardAt: Date.now() });
      this.#hellos = this.#hellos.filter((hello) => hello.tab !== message.tab).concat(message);
      if (!this.#gathering) this.#gathering = setTimeout(() => this.#answer(), GATHER_MS / 2);
    } else if (message.type === "here") {
      const tab = this.#tabs.get(message.tab);
      if (tab) tab.heardAt = Date.now();
    } else if (message.type === "ask") {
      this.#tellStatus();
    } else if (message.type === "bye") {
      this.#forget(message.tab);
    }
  }

  #answer() {
    this.#gathering = 0;
    const hellos = this.#hellos;
    this.#hellos = [];
    const wanted = this.#wanted();
    if (!this.#begun && !wanted.length) return; // the hellos are still on their way
    if (!this.#begun) {
      // Begin at the freshest cursor, by this machine's clock; whoever has another one catches up. A wrong guess costs
      // repeated messages, which every tab tells from new ones, never a missed one.
      const freshest = hellos
        .flatMap((hello) => Object.values(hello.topics))
        .filter((place) => place.cursor)
        .reduce((best, place) => (best && best.at >= place.at ? best : place), null);
      this.#begun = true;
      this.#open(wanted, freshest?.cursor ?? null);
    } else if (wanted.some((topic) => !this.#topics.includes(topic))) {
      this.#open(wanted, this.main.lastId);
    } else if (wanted.length < this.#topics.length) {
      this.#shrinkLater();
    }
    if (this.#topics.length && this.main.isClosed) this.main.wake(); // signed out, and a new page says: in again
    for (const hello of hellos) this.#welcome(hello);
    this.#nextCatchUp();
  }

  #wanted() {
    return [...new Set([...this.#tabs.values()].flatMap((tab) => tab.topics))].sort();
  }

  #open(topics, cursor) {
    this.#topics = topics;
    for (const topic of [...this.#states.keys()]) if (!topics.includes(topic)) this.#states.delete(topic);
    if (topics.length === 0) {
      this.main.close();
      this.#log.restart([], cursor);
      return;
    }
    this.#log.resume(topics, cursor);
    this.main.tabs = this.#tabs.size;
    this.main.open(topics, cursor);
  }

  #welcome(hello) {
    const states = {};
    const missed = [];
    const open = new Map(); // cursor → topics that the log cannot answer for
    for (const [topic, { cursor }] of Object.entries(hello.topics)) {
      if (!LOG_TOPICS.includes(topic)) {
        if (this.#states.has(topic)) states[topic] = this.#states.get(topic);
        continue;
      }
      const since = this.#log.since(topic, cursor);
      if (since) missed.push(...since);
      else if (cursor) open.set(cursor, [...(open.get(cursor) ?? []), topic]);
    }
    this.#catchUps = this.#catchUps.filter((job) => job.tab !== hello.tab);
    if (this.#catchUp?.tab === hello.tab) this.#endCatchUp();
    const jobs = [...open].map(([cursor, topics]) => ({ tab: hello.tab, nonce: hello.nonce, cursor, topics }));
    this.#catchUps.push(...jobs);
    this.send({
      type: "welcome", to: hello.tab, nonce: hello.nonce, states, missed, catchUps: jobs.length, id: this.main.lastId, ...this.#status(),
    });
  }

  #event(topic, data, id) {
    if (topic === "reset") {
      this.#states.clear();
      this.#log.restart(this.#topics, id);
    } else if (LOG_TOPICS.includes(topic)) {
      this.#log.add(topic, data, id);
    } else {
      if (topic !== "reads") this.#states.set(topic, { data, id }); // who joins later counts anyway
      this.#log.mark(id);
    }
    this.send({ type: "event", topic, data, id, at: Date.now() });
  }

  #status() {
    return { up: this.main.isUp, fresh: this.main.isFresh, heardAt: this.main.freshAt, tabs: [...this.#tabs.keys()] };
  }

  #tellStatus() {
    this.send({ type: "status", id: this.main.lastId, ...this.#status() });
  }

  /** Tabs answer every status with "here"; one that crashed does not. */
  #prune() {
    const limit = Date.now() - 3 * silenceLimit(this.heartbeatMs);
    for (const [name, tab] of this.#tabs) if (tab.heardAt < limit) this.#forget(name);
  }

  #forget(name) {
    this.#tabs.delete(name);
    this.#hellos = this.#hellos.filter((hello) => hello.tab !== name);
    this.#catchUps = this.#catchUps.filter((job) => job.tab !== name);
    if (this.#catchUp?.tab === name) {
      this.#endCatchUp();
      this.#nextCatchUp();
    }
    if (this.#begun) this.#shrinkLater();
  }

  /** Fewer topics is no hurry: a page that is being left for the next one would make the connection go twice. */
  #shrinkLater() {
    clearTimeout(this.#shrinking);
    this.#shrinking = setTimeout(() => {
      const wanted = this.#wanted();
      if (wanted.length < this.#topics.length) this.#open(wanted, this.main.lastId);
    }, SHRINK_MS);
  }

  // ---- catching up, one tab at a time ----

  #nextCatchUp() {
    if (this.#catchUp || !this.#catchUps.length || !this.main.isUp) return;
    const job = this.#catchUps.shift();
    this.#catchUp = job;
    const source = new EventSource(streamUrl(job.topics, job.cursor, this.branch));
    job.close = () => {
      clearTimeout(job.timer);
      source.onerror = null;
      source.close();
    };
    const again = () => {
      this.#endCatchUp();
      this.#catchUps.push(job);
      clearTimeout(this.#retrying);
      this.#retrying = setTimeout(() => this.#nextCatchUp(), 1000 + Math.random() * 2000);
    };
    job.timer = setTimeout(again, silenceLimit(this.heartbeatMs));
    source.onerror = again;
    for (const topic of [...job.topics, "reset"]) {
      source.addEventListener(topic, (event) => this.send({ type: "event", to: job.tab, topic, data: event.data, at: Date.now() }));
    }
    source.addEventListener("heartbeat", () => {
      source.onerror = null;
      clearTimeout(job.timer);
      job.timer = setTimeout(() => {
        this.#endCatchUp();
        this.send({ type: "caught-up", to: job.tab, nonce: job.nonce });
        this.#nextCatchUp();
      }, LINGER_MS);
    });
  }

  #endCatchUp() {
    this.#catchUp?.close();
    this.#catchUp = null;
  }
}
