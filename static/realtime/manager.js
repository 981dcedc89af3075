// RealtimeManager: what the pages use. connectDashboard, connectOmsetKasir, connectNotifications, connectStockUpdates and
// connectOrders each take {onOpen, onData, onError}, as the old app's did, and return a function that ends it.
//
// All tabs of one person (and one choice of branch) share one connection. This is the tab's half: it says what it wishes
// and from which cursor, and passes on what the leading tab (leader.js) tells. A topic's cursor advances only while the
// tab is known to have heard everything: a gap in the leader's numbering, or another leader, and it joins anew from the
// last cursor that was certain.

import { openChannel } from "./channel.js";
import { standForElection } from "./election.js";
import { Seen, Versions } from "./freshness.js";
import { Leader, LOG_TOPICS } from "./leader.js";
import { silenceLimit } from "./stream.js";

const CONNECTING_MS = 5_000;      // so long "Menyambung…", then the figures count as stale
const BANNER_MS = 10_000;         // and after this it is said aloud
const PAUSE_HIDDEN_MS = 60_000;   // a hidden tab keeps only its notifications, which wake the user
const ANSWER_MS = 1_000;          // a leader that is asked and alive answers within this
const HELLO_EVERY_MS = 100;

export class RealtimeManager {
  #tab = Math.random().toString(36).slice(2);
  #topics = new Map();            // topic → {handlers, cursor, at, paused}
  #running = false;
  #channel = null;
  #election = null;
  #leader = null;
  #joined = null;                 // {leader, number}: the last message of the leader that was heard without a gap
  #nonce = 0;                     // of the last hello
  #synced = false;                // cursors may advance
  #catchUpsLeft = 0;
  #mainId = null;
  #helloTimer = 0;
  #helloAt = 0;
  #heardLeaderAt = 0;
  #pauseTimer = 0;
  #askTimer = 0;
  #statusTimer = 0;
  #up = false;                    // the connection is, and its server hears the database
  #dataAt = Date.now();
  #deadSince = Date.now();
  #tabs = 1;
  #status = { is: "connecting", dataAt: Date.now(), isLong: false };
  #statusListeners = new Set();
  #resetListeners = new Set();
  #signedOutListeners = new Set();
  #crowdedListeners = new Set();
  #readsListeners = new Set();
  #versions = new Versions();
  #notices = new Seen();

  constructor({ scope, branch, cursor, heartbeatMs }) {
    this.scope = `melati:${scope}`;
    this.branch = branch;
    this.pageCursor = cursor || null;
    this.heartbeatMs = heartbeatMs;
    this.silenceMs = silenceLimit(heartbeatMs);
  }

  connectDashboard(handlers) { return this.#connect("dashboard", handlers); }
  connectOmsetKasir(handlers) { return this.#connect("omset-kasir", handlers); }
  connectNotifications(handlers) { return this.#connect("notifications", handlers); }
  connectStockUpdates(handlers) { return this.#connect("stock-updates", handlers); }
  connectOrders(handlers) { return this.#connect("orders", handlers); }
  connectMonitoring(handlers) { return this.#connect("monitoring", handlers); }

  /** Tabs of this browser that share the connection, as the leader counted last. */
  get tabs() { return this.#tabs; }

  /** listener({is: "live" | "connecting" | "stale", dataAt, isLong}), now and at every change. */
  onStatus(listener) {
    this.#statusListeners.add(listener);
    listener(this.#status);
  }

  /** The server could not join this page's cursor to its present: what the page shows may lack changes. */
  onReset(listener) { this.#resetListeners.add(listener); }

  onSignedOut(listener) { this.#signedOutListeners.add(listener); }

  /** The account has as many streams open as it may (429): it is tried again, but somebody should close a screen. */
  onCrowded(listener) { this.#crowdedListeners.add(listener); }

  /** Somebody with this account has read notifications, on whichever device. */
  onReads(listener) { this.#readsListeners.add(listener); }

  /** This tab holds the connection: what only one of a browser's tabs should do is its task. */
  get leads() { return Boolean(this.#leader); }

  /** Notifications that the page came with are not news when the stream repeats them. */
  knowNotifications(ids) { for (const id of ids) this.#notices.admit(String(id)); }

  /** "Coba sekarang": whoever leads tries at once. */
  retry() {
    if (this.#leader) this.#leader.wake();
    else this.#tell({ type: "wake" });
  }

  start() {
    addEventListener("pagehide", () => this.#stop());
    addEventListener("pageshow", (event) => event.persisted && this.#run());
    document.addEventListener("freeze", () => this.#stop());
    document.addEventListener("resume", () => this.#run());
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    addEventListener("online", () => this.#leader?.wake());
    this.#run();
  }

  // ---- life of a tab ----

  #run() {
    if (this.#running) return;
    this.#running = true;
    this.#heardLeaderAt = Date.now();
    this.#joined = null;
    this.#synced = false;
    this.#channel = openChannel(this.scope, (message) => this.#hear(message));
    this.#election = standForElection(this.scope, this.silenceMs, { won: () => this.#lead(), lost: () => this.#follow() });
    for (const topic of this.#topics.values()) topic.paused = false;
    this.#visibilityChanged();
    this.#hello();
    this.#judge();
  }

  #stop() {
    if (!this.#running) return;
    this.#running = false;
    this.#tell({ type: "bye", tab: this.#tab });
    this.#follow();
    this.#election.resign();
    this.#channel.close(); // an open channel, lock or stream would keep the page out of the back/forward cache
    clearTimeout(this.#helloTimer);
    this.#helloTimer = 0;
    clearTimeout(this.#pauseTimer);
    clearTimeout(this.#askTimer);
    clearTimeout(this.#statusTimer);
    this.#up = false;
  }

  #visibilityChanged() {
    clearTimeout(this.#pauseTimer);
    if (!this.#running) return;
    if (document.visibilityState === "hidden") {
      this.#pauseTimer = setTimeout(() => this.#pause(), PAUSE_HIDDEN_MS);
      return;
    }
    const paused = [...this.#topics.values()].filter((topic) => topic.paused);
    for (const topic of paused) topic.paused = false;
    if (paused.length) this.#hello();
    this.#leader?.wake();
    this.#judge();
  }

  #pause() {
    for (const [name, topic] of this.#topics) topic.paused = name !== "notifications";
    this.#hello();
  }

  #lead() {
    if (!this.#running) return;
    this.#leader = new Leader({
      name: `${this.#tab}.${Date.now().toString(36)}`,
      heartbeatMs: this.heartbeatMs,
      branch: this.branch,
      send: (message) => {
        this.#channel.post(message);
        this.#receive(message);
      },
    });
    this.#leader.start();
  }

  #follow() {
    this.#leader?.stop();
    this.#leader = null;
  }

  // ---- topics ----

  #connect(name, handlers) {
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = { handlers: new Set(), cursor: this.pageCursor, at: performance.timeOrigin, paused: false };
      this.#topics.set(name, topic);
      if (this.#running) this.#hello();
    }
    topic.handlers.add(handlers);
    if (this.#status.is === "live") this.#call(handlers.onOpen);
    return () => {
      topic.handlers.delete(handlers);
      if (topic.handlers.size || this.#topics.get(name) !== topic) return;
      this.#topics.delete(name);
      if (this.#running) this.#hello();
    };
  }

  #hello() {
    this.#synced = false;
    if (this.#helloTimer) return;
    const wait = Math.max(0, this.#helloAt + HELLO_EVERY_MS - Date.now());
    this.#helloTimer = setTimeout(() => {
      this.#helloTimer = 0;
      this.#helloAt = Date.now();
      this.#nonce += 1;
      const topics = {};
      for (const [name, { cursor, at, paused }] of this.#topics) if (!paused) topics[name] = { cursor, at };
      this.#tell({ type: "hello", tab: this.#tab, nonce: this.#nonce, topics });
    }, wait);
  }

  // ---- between tabs ----

  /** To whoever leads, this tab included. */
  #tell(message) {
    this.#channel.post(message);
    this.#leader?.hear(message);
  }

  /** From the channel: as a tab, and as the leader. */
  #hear(message) {
    if (!this.#running) return;
    if (message.leader) {
      if (this.#leader) this.#election.renew(); // two leaders: the one without the lease steps down
      this.#receive(message);
    } else if (message.type === "wake") {
      this.#leader?.wake();
    } else {
      this.#leader?.hear(message);
    }
  }

  /** From the leader, in order. */
  #receive(message) {
    if (!this.#running) return;
    this.#heardLeaderAt = Date.now();
    const isMine = !message.to || message.to === this.#tab;
    const isAnswer = message.type === "welcome" && isMine && message.nonce === this.#nonce;
    const follows = this.#joined?.leader === message.leader && message.number === this.#joined.number + 1;
    this.#joined = { leader: message.leader, number: message.number };
    if (message.type === "lead") {
      this.#helloAt = 0; // this one waits for our hello: at once
      clearTimeout(this.#helloTimer);
      this.#helloTimer = 0;
    }
    if (!follows && !isAnswer) this.#hello();

    if (message.type === "event" && isMine) {
      if (!message.to) this.#advance(message.id, message.at);
      this.#dataAt = Math.max(this.#dataAt, message.at);
      this.#deliver(message.topic, message.data);
    } else if (isAnswer) {
      this.#welcomed(message);
    } else if (message.type === "caught-up" && isMine && message.nonce === this.#nonce) {
      this.#catchUpsLeft -= 1;
      if (this.#catchUpsLeft === 0 && !this.#helloTimer) this.#sync();
    } else if (message.type === "status") {
      this.#tabs = message.tabs.length || 1;
      this.#hearStatus(message);
      this.#advance(message.id, message.heardAt);
      if (!message.tabs.includes(this.#tab) && !this.#helloTimer && this.#synced) this.#hello();
      this.#tell({ type: "here", tab: this.#tab });
      this.#election.renew();
    } else if (message.type === "signed-out") {
      for (const listener of this.#signedOutListeners) this.#call(listener);
    } else if (message.type === "crowded") {
      for (const listener of this.#crowdedListeners) this.#call(listener);
    }
  }

  #welcomed(message) {
    for (const [topic, { data }] of Object.entries(message.states)) this.#deliver(topic, data);
    for (const { name, data } of message.missed) this.#deliver(name, data);
    this.#mainId = message.id;
    this.#catchUpsLeft = message.catchUps;
    if (message.catchUps === 0 && !this.#helloTimer) this.#sync();
    this.#hearStatus(message);
  }

  #sync() {
    this.#synced = true;
    this.#advance(this.#mainId, Date.now());
  }

  #advance(id, at) {
    if (!id) return;
    this.#mainId = id;
    if (!this.#synced) return;
    for (const [name, topic] of this.#topics) {
      if (!topic.paused || !LOG_TOPICS.includes(name)) Object.assign(topic, { cursor: id, at });
    }
  }

  // ---- to the page ----

  #deliver(name, text) {
    if (name === "reset") {
      this.#versions.clear(); // a restored database may have gone back in time
      for (const listener of this.#resetListeners) this.#call(listener);
      return;
    }
    if (name === "reads") {
      for (const listener of this.#readsListeners) this.#call(listener);
      return;
    }
    const topic = this.#topics.get(name);
    if (!topic || topic.paused) return;
    let data;
    try {
      data = JSON.parse(text);
    } catch (error) {
      for (const handlers of topic.handlers) this.#call(handlers.onError, error);
      return;
    }
    if (name === "notifications" && !this.#notices.admit(String(data.id))) return;
    if (name === "stock-updates") data.updates = data.updates.filter((update) => this.#versions.admit(update));
    for (const handlers of topic.handlers) this.#call(handlers.onData, data);
  }

  /** One binding that fails must not silence the others. */
  #call(handler, ...values) {
    try {
      handler?.(...values);
    } catch (error) {
      console.error(error);
    }
  }

  // ---- is it live? ----

  #hearStatus({ up, fresh, heardAt }) {
    this.#up = up && fresh;
    this.#dataAt = Math.max(this.#dataAt, heardAt);
    this.#judge();
  }

  #judge() {
    clearTimeout(this.#statusTimer);
    if (!this.#running) return;
    const now = Date.now();
    const freshUntil = this.#dataAt + this.silenceMs;
    const isLive = this.#up && now < freshUntil;
    if (isLive) this.#deadSince = null;
    else this.#deadSince ??= now;

    const deadMs = isLive ? 0 : now - this.#deadSince;
    this.#say({
      is: isLive ? "live" : deadMs < CONNECTING_MS ? "connecting" : "stale",
      dataAt: this.#dataAt,
      isLong: deadMs >= BANNER_MS,
    });

    // A leader that has gone quiet is asked once, then replaced; only by a tab that somebody is looking at.
    const quietFrom = this.#heardLeaderAt + this.silenceMs;
    const isVisible = document.visibilityState === "visible";
    if (isVisible && now >= quietFrom && !this.#leader && !this.#askTimer) {
      this.#tell({ type: "ask" });
      this.#askTimer = setTimeout(() => {
        this.#askTimer = 0;
        if (this.#heardLeaderAt + this.silenceMs <= Date.now()) {
          this.#heardLeaderAt = Date.now();
          this.#election.steal();
        }
        this.#judge();
      }, ANSWER_MS);
    }

    const next = [now + 60_000];
    if (isLive) next.push(freshUntil);
    else next.push(...[CONNECTING_MS, BANNER_MS].map((ms) => this.#deadSince + ms).filter((at) => at > now));
    if (isVisible && !this.#leader && quietFrom > now) next.push(quietFrom);
    this.#statusTimer = setTimeout(() => this.#judge(), Math.max(20, Math.min(...next) - now));
  }

  #say(status) {
    const was = this.#status;
    this.#status = status;
    const staleTimeMoved = status.is === "stale" && status.dataAt !== was.dataAt;
    if (status.is === was.is && status.isLong === was.isLong && !staleTimeMoved) return;
    for (const listener of this.#statusListeners) this.#call(listener, status);
    if (status.is === was.is) return;
    for (const topic of this.#topics.values()) {
      for (const handlers of topic.handlers) {
        if (status.is === "live") this.#call(handlers.onOpen);
        else if (was.is === "live") this.#call(handlers.onError, new Error(`realtime: ${status.is}`));
      }
    }
  }
}
