// How long it takes from a row being written to its being painted here, for the pages that the server chose (data-measure).
//
// The row's updated_at is on the server's clock. The clocks are compared whenever something is sent: the server answers with its
// time, and the difference to the middle between asking and hearing is off by half the round trip at most. What is
// measured is therefore right to within half a round trip; where that is more than MOST_ERROR_MS nothing is said.
// Told are milliseconds and the number of tabs; nothing of what was shown.

import { microseconds } from "../realtime/freshness.js";

const FIRST_MS = 2_000;
const EVERY_MS = 30_000;
const MOST_KEPT = 16;        // of what comes between two beacons, a random choice
const MOST_ERROR_MS = 250;
const COMPARED_FOR_MS = 600_000; // the best comparison of so long counts: clocks drift slowly
const SETTLED_MS = 2_000;    // what a page catches up on after it was away is old news, and no measure of the way
const ADDRESS = "/api/layar";

export function measurePaint(manager, topics) {
  let offset = null;         // the server's clock minus ours, and how far off that may be
  let error = Infinity;
  let comparedAt = 0;
  let kept = [];
  let seen = 0;
  let timer = 0;
  let liveSince = Infinity;

  manager.onStatus(({ is }) => {
    liveSince = is === "live" ? Math.min(liveSince, Date.now()) : Infinity;
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") flushAway();
    liveSince = document.visibilityState === "visible" && liveSince !== Infinity ? Date.now() : liveSince;
  });
  addEventListener("pagehide", flushAway);
  send([]); // for the clock

  const heard = (stamps) => {
    if (offset === null || document.visibilityState !== "visible" || Date.now() < liveSince + SETTLED_MS) return;
    const newest = Math.max(...stamps.map((stamp) => microseconds(stamp) / 1000));
    if (!Number.isFinite(newest)) return;
    // after the frame in which the change is painted
    requestAnimationFrame(() => setTimeout(() => keep(Date.now() + offset - newest)));
  };
  if (topics.includes("stock-updates")) {
    manager.connectStockUpdates({ onData: ({ updates, snapshot }) => snapshot || !updates.length || heard(updates.map((update) => update.updated_at)) });
  }
  if (topics.includes("orders")) manager.connectOrders({ onData: ({ updates }) => heard(updates.map((update) => update.updated_at)) });
  if (topics.includes("notifications")) manager.connectNotifications({ onData: ({ timestamp, snapshot }) => snapshot || heard([timestamp]) });

  function keep(ms) {
    seen += 1;
    const place = kept.length < MOST_KEPT ? kept.length : Math.floor(Math.random() * seen);
    if (place < MOST_KEPT) kept[place] = Math.max(0, Math.round(ms));
    timer ||= setTimeout(flush, seen === 1 ? FIRST_MS : EVERY_MS);
  }

  function take() {
    const delays = error <= MOST_ERROR_MS ? kept : [];
    kept = [];
    return delays;
  }

  async function flush() {
    timer = setTimeout(() => (timer = 0, kept.length && flush()), EVERY_MS);
    if (error > MOST_ERROR_MS) await send([]); // a slow moment: once more, before what is kept is thrown away
    const delays = take();
    if (delays.length) await send(delays);
  }

  /** The page goes, or is put away: there is no answer to wait for. */
  function flushAway() {
    const delays = take();
    if (delays.length) navigator.sendBeacon(ADDRESS, new Blob([body(delays)], { type: "application/json" }));
  }

  function body(delays) {
    return JSON.stringify({ delays_ms: delays, tabs: Math.min(255, manager.tabs) });
  }

  async function send(delays) {
    const askedAt = Date.now();
    const answer = await fetch(ADDRESS, {
      method: "POST", body: body(delays), headers: { "Content-Type": "application/json", Accept: "application/json" }, keepalive: true,
    }).catch(() => null);
    const heardAt = Date.now();
    const { now_ms: now } = answer?.ok ? await answer.json() : {};
    if (!now) return;
    const mostOff = (heardAt - askedAt) / 2;
    if (mostOff > error && heardAt < comparedAt + COMPARED_FOR_MS) return;
    offset = now - (askedAt + heardAt) / 2;
    error = mostOff;
    comparedAt = heardAt;
  }
}
