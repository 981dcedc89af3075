// Is there something between this browser and the server that holds messages back, cuts what is quiet, or speaks only
// HTTP/1.1? Opens streams like every other, and looks when their pieces come.

const ADDRESS = "/realtime/uji";
const TIMING_WAIT_MS = 2000;

export function bindLineTest(place) {
  const button = place.querySelector("[data-line-start]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    for (const check of ["pieces", "idle", "protocol"]) show(check, "busy");
    await Promise.all([testPieces(), testIdle()]);
    button.disabled = false;
  });

  async function testPieces() {
    const address = `${ADDRESS}?uji=potongan&sekali=${Date.now()}`;
    const timing = timingOf(address);
    const { times, ended, why } = await listen(address);
    const first = times[0] ?? ended;
    const { of, pause_ms: pause } = times.last ?? { of: 0, pause_ms: 100 };
    if (why || times.length < of || !of) {
      show("pieces", "failed", { why: why ?? "terputus" });
    } else {
      const gaps = times.slice(1).map((time, i) => time - times[i]);
      const gap = Math.max(...gaps);
      // sent over 1.9 s: what comes in less than half of that was held back, as was what comes in bursts
      const spread = times[times.length - 1] - times[0];
      const isHeld = spread < (pause * (of - 1)) / 2 || gap > 6 * pause;
      show("pieces", isHeld ? "bad" : "good", { first: milliseconds(first), gap: milliseconds(gap) });
    }
    const protocol = (await timing(TIMING_WAIT_MS))?.nextHopProtocol;
    if (!protocol) show("protocol", "failed");
    else show("protocol", /^h[23]/.test(protocol) ? "good" : "bad", { protocol: NAMES[protocol] ?? protocol });
  }

  async function testIdle() {
    const { times, ended, why } = await listen(`${ADDRESS}?uji=diam&sekali=${Date.now()}`);
    if (!times.length) show("idle", "failed", { why: why ?? "terputus" });
    else if (times.length < 2) show("idle", "bad", { quiet: milliseconds(ended - times[0]) });
    else show("idle", "good", { quiet: milliseconds(times[1] - times[0]) });
  }

  function show(check, result, values = {}) {
    const row = place.querySelector(`[data-check="${check}"]`);
    row.dataset.result = result;
    for (const words of row.querySelectorAll("[data-when]")) words.hidden = words.dataset.when !== result;
    for (const [name, value] of Object.entries(values)) {
      for (const element of row.querySelectorAll(`[data-value="${name}"]`)) element.textContent = value;
    }
    row.querySelector("use").setAttribute("href", `/assets/icons.svg#${ICONS[result] ?? "clock"}`);
  }
}

const ICONS = { good: "check", bad: "alert", failed: "info" };
const NAMES = { h2: "HTTP/2", h3: "HTTP/3", "http/1.1": "HTTP/1.1", "http/1.0": "HTTP/1.0" };

/** What the browser measured of this address. It says so a moment after the last piece, and does not keep it on a page that has loaded much. */
function timingOf(address) {
  const name = new URL(address, location.href).href;
  let observer;
  const measured = new Promise((resolve) => {
    observer = new PerformanceObserver((list) => list.getEntriesByName(name).forEach(resolve));
    observer.observe({ type: "resource" });
  });
  const late = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  return (ms) => Promise.race([measured, late(ms)]).finally(() => observer.disconnect());
}

/** When each piece came, in milliseconds after asking; `last` is what the last one said. */
async function listen(address) {
  const began = performance.now();
  const since = () => performance.now() - began;
  const times = [];
  try {
    const answer = await fetch(address, { headers: { Accept: "text/event-stream" }, cache: "no-store" });
    if (!answer.ok) return { times, ended: since(), why: `jawaban ${answer.status}` };
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        times.push(since());
        times.last = JSON.parse(event.slice(event.indexOf("{")));
      }
    }
    return { times, ended: since() };
  } catch (error) {
    return { times, ended: since(), why: times.length ? undefined : error.message };
  }
}

function milliseconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1).replace(".", ",")} detik`;
}
