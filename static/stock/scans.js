// A form that is scanned into: [data-scan] with the fields kode and jumlah, places for refusals, and [data-said]. Scans go to
// the server one after the other, each with a number of its own, so that one which is sent again after a lost answer counts
// once. A scanner scans, and where the form has one ([data-camera-open]) the camera. What could not be sent yet is kept, also over a reload; until it has arrived, forms with [data-after-scans] wait.

import { readAnswer } from "../forms/enhance.js";
import { setText } from "../live/mark.js";
import { Camera } from "../sales/camera.js";
import { bindScanner } from "../sales/scanner.js";

const AGAIN_MS = 2_000;

/** key: of what is kept. done(answer): one has arrived; returns what is said of it. settled(): nothing waits any more. */
export function bindScans(form, { key, done, settled = () => {} }) {
  const code = form.elements.namedItem("kode");
  const amount = form.elements.namedItem("jumlah");
  const said = form.querySelector("[data-said]");
  const waiting = kept(key);
  let isSending = false;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!code.value.trim()) return;
    scan(code.value.trim(), amount.value.trim());
    code.value = "";
    amount.value = "";
    code.focus();
  });
  bindScanner((scanned) => scan(scanned.trim(), ""));
  const opener = form.querySelector("[data-camera-open]");
  if (opener) new Camera(form.querySelector("[data-camera]"), opener, (read) => scan(read, ""));
  document.addEventListener("submit", (event) => {
    if (!waiting.length || !event.target.matches("[data-after-scans]")) return;
    event.preventDefault();
    event.stopPropagation();
    said.scrollIntoView({ block: "nearest" });
    say(`${waiting.length} pindaian belum terkirim. Tunggu sebentar, lalu tekan lagi.`);
  }, true);
  send();
  return { scan, get length() { return waiting.length; } };

  function scan(kode, jumlah) {
    waiting.add({ kode, jumlah, ref: newRef() });
    send();
  }

  async function send() {
    if (isSending || !waiting.first()) return;
    isSending = true;
    while (waiting.first()) {
      const next = waiting.first();
      const request = fetch(form.action, { method: "POST", body: new URLSearchParams(next), headers: { Accept: "application/json" } });
      const answer = await readAnswer(request);
      // signed out: the codes are still good once somebody has signed in again
      const isLost = answer.error && (answer.status === undefined || answer.status >= 500 || answer.status === 429);
      if (isLost) {
        say(`${waiting.length} pindaian menunggu sambungan. Teruskan saja; nanti terkirim sendiri.`);
        setTimeout(() => { isSending = false; send(); }, AGAIN_MS);
        return;
      }
      waiting.take();
      refuse(answer.error);
      say(answer.error ? "" : done(answer));
    }
    isSending = false;
    settled();
  }

  function say(text) { setText(said, text); }

  function refuse(error) {
    for (const place of form.querySelectorAll(".refusal")) place.hidden = true;
    if (!error) return;
    const [field, text] = Object.entries(error.fields ?? {})[0] ?? ["", error.message];
    const place = form.querySelector(`[data-error-for="${CSS.escape(field)}"]`) ?? form.querySelector("[data-refusal]");
    setText(place, text);
    place.hidden = false;
  }
}

/** A queue that survives a reload, where the browser lets it. */
function kept(key) {
  let queue = [];
  try {
    queue = JSON.parse(localStorage.getItem(key)) ?? [];
  } catch {
    // no storage, or not ours: an empty queue
  }
  const keep = () => {
    try {
      if (queue.length) localStorage.setItem(key, JSON.stringify(queue));
      else localStorage.removeItem(key);
    } catch {
      // full or forbidden: it lives as long as the page
    }
  };
  return {
    get length() { return queue.length; },
    first: () => queue[0],
    add(scan) { queue.push(scan); keep(); },
    take() { queue.shift(); keep(); },
  };
}

/** randomUUID is not there without TLS. */
function newRef() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
