// One connection to /realtime/stream that does not give up.
//
// EventSource reconnects by itself only after a broken connection; an HTTP error (a 503 while the server restarts) closes it for
// good, and a new one has forgotten its last id. So: the first break is left to it, because only it knows the server's
// `retry:` (that is how a deploy spreads its clients); every further failure is ours: exponential with full jitter,
// without end, from the last id.

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;
export const EVENTS = ["dashboard", "omset-kasir", "notifications", "stock-updates", "orders", "monitoring", "reads", "reset"];

/** branch: a super admin's, "semua" for all; null for everyone else. tabs: how many share it, for those who look at the streams. */
export function streamUrl(topics, cursor, branch, tabs = 1) {
  const query = new URLSearchParams({ topics: [...topics].sort().join(",") });
  if (branch) query.set("branch", branch);
  if (tabs > 1) query.set("tabs", Math.min(tabs, 255));
  if (cursor) query.set("last_event_id", cursor);
  return `/realtime/stream?${query}`;
}

export class Stream {
  #source = null;
  #failures = 0;
  #brokenSinceOpen = false;
  #retryTimer = 0;
  #watchdog = 0;
  #topics = [];

  /** on: {event(name, data, id), heartbeat(id), up(), down(), signedOut(), crowded()} */
  constructor({ heartbeatMs, branch }, on) {
    this.on = on;
    this.branch = branch;
    this.tabs = 1;
    this.silenceMs = silenceLimit(heartbeatMs);
    this.isUp = false;
    this.isClosed = true;
    this.lastId = null;
    this.lastHeardAt = 0;
    this.freshAt = 0;      // when the figures were last known to be the database's
    this.isFresh = true;
  }

  /** Opens, or reopens with other topics, from `cursor`. */
  open(topics, cursor) {
    this.#topics = topics;
    this.lastId = cursor;
    this.#connect();
  }

  close() {
    this.#drop();
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    this.isUp = false;
    this.isClosed = true;
  }

  /** The network is back, or the machine awake: what is not demonstrably alive is replaced at once. */
  wake() {
    if (this.isUp && Date.now() - this.lastHeardAt < this.silenceMs) return;
    this.#failures = 0;
    this.#connect();
  }

  #connect() {
    this.#drop();
    clearTimeout(this.#retryTimer);
    this.#brokenSinceOpen = false;
    this.isClosed = false;
    const source = new EventSource(streamUrl(this.#topics, this.lastId, this.branch, this.tabs));
    this.#source = source;
    source.onopen = () => {
      this.#brokenSinceOpen = false;
      this.#heard();
      this.#setUp();
    };
    source.onerror = () => this.#failed();
    source.addEventListener("heartbeat", (event) => {
      this.isFresh = isFresh(event.data);
      this.#remember(event);
      this.on.heartbeat(this.lastId);
    });
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        this.#remember(event);
        this.on.event(name, event.data, this.lastId);
      });
    }
    this.#watch();
  }

  #remember(event) {
    if (event.lastEventId) this.lastId = event.lastEventId;
    this.#failures = 0; // only what arrives proves a connection: a proxy may accept one and answer nothing
    this.#heard();
    this.#setUp();
  }

  #heard() {
    this.lastHeardAt = Date.now();
    if (this.isFresh) this.freshAt = this.lastHeardAt;
    this.#watch();
  }

  /** A connection can be dead without an error (a sleeping laptop, a router that forgot it): silence means so, too. */
  #watch() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.#setDown();
      this.#retryIn(this.#backoff());
    }, this.silenceMs);
  }

  #failed() {
    const isRetryingItself = this.#source.readyState === EventSource.CONNECTING;
    this.#setDown();
    if (isRetryingItself && !this.#brokenSinceOpen) {
      this.#brokenSinceOpen = true;
      return; // the watchdog stays: it ends a retry that hangs
    }
    this.#drop();
    this.#failures += 1;
    if (this.#failures >= 2) this.#ask();
    else this.#retryIn(this.#backoff());
  }

  /** EventSource hides the status. The second failure in a row is worth one question: signed out, or told to wait? */
  async #ask() {
    const question = new AbortController();
    const giveUp = setTimeout(() => question.abort(), 10_000);
    let wait = this.#backoff();
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), wait + 10_000); // should the question itself get lost
    const pending = this.#retryTimer;
    try {
      const answer = await fetch(streamUrl(this.#topics, this.lastId, this.branch), {
        headers: { Accept: "text/event-stream" }, cache: "no-store", redirect: "manual", signal: question.signal,
      });
      if (answer.status === 401 || answer.type === "opaqueredirect") {
        if (pending === this.#retryTimer) {
          this.close();
          this.on.signedOut();
        }
        return;
      }
      if (answer.status === 429) this.on.crowded();
      if (answer.ok) wait = Math.random() * BACKOFF_BASE_MS;
      const asked = Number(answer.headers.get("Retry-After"));
      if ((answer.status === 429 || answer.status === 503) && asked > 0) wait = asked * 1000 * (1 + Math.random() / 2);
    } catch {
      // No answer at all: the backoff stands.
    } finally {
      clearTimeout(giveUp);
      question.abort(); // an accepted stream is not read here
    }
    if (pending === this.#retryTimer) this.#retryIn(wait);
  }

  #backoff() {
    return Math.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#failures);
  }

  #retryIn(ms) {
    this.#drop();
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), ms);
  }

  #drop() {
    clearTimeout(this.#watchdog);
    if (!this.#source) return;
    this.#source.onerror = null;
    this.#source.close();
    this.#source = null;
  }

  #setUp() {
    if (this.isUp) return;
    this.isUp = true;
    this.on.up();
  }

  #setDown() {
    if (!this.isUp) return;
    this.isUp = false;
    this.on.down();
  }
}

/** The stream lives while the database is away, and its heartbeats say so: {"fresh": false}. */
function isFresh(data) {
  try {
    return JSON.parse(data).fresh !== false;
  } catch {
    return true;
  }
}

/** How long nothing may be heard before a connection counts as dead: two heartbeats and a third of one for slow networks. */
export function silenceLimit(heartbeatMs) {
  return Math.round(heartbeatMs * 2.34);
}
