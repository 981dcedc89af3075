// The till's questions to the server. Every answer is its JSON, or {error: {code, message, fields?}}.

import { readAnswer } from "../forms/enhance.js";

/** After so long nobody answers any more: a shop's network loses what it carries without a word. */
const ANSWER_MS = 15_000;
const CUT = "Sambungan terputus. Coba lagi sebentar.";

/** lost: what to say where no answer came. */
async function ask(path, options, { signal, lost } = {}) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), ANSWER_MS);
  signal?.addEventListener("abort", () => giveUp.abort());
  const answer = await readAnswer(fetch(path, { ...options, signal: giveUp.signal }), lost);
  clearTimeout(timer);
  return answer;
}

const get = (path, query) => ask(`${path}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } }, { lost: CUT });

const post = (path, body, rest) =>
  ask(path, { method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json" }, body: JSON.stringify(body) }, rest);

/** For which branch this page was drawn: what is written is for that one, or for none. */
const here = (path) => (document.body.dataset.branchId ? `${path}?cabang=${document.body.dataset.branchId}` : path);

/** The sale has a reference of its own: the same once more is answered with what was saved. */
export const LOST_SALE = "Jawaban server tidak sampai: penjualan ini mungkin sudah tersimpan. Tekan Simpan sekali lagi, tidak akan tersimpan dua kali.";

export const findProducts = (cari, jenis) => get("/api/products", { cari, jenis });
export const findPatients = (cari) => get("/api/pasien", { cari });
export const addPatient = (patient) => post(here("/pasien"), patient);
export const quote = (sale, signal) => post(here("/penjualan/hitung"), sale, { signal, lost: "Sambungan terputus. Harga dihitung lagi begitu tersambung." });
export const sell = (sale) => post(here("/penjualan"), sale, { lost: LOST_SALE });

/** A reference of our own for a sale: sent again with every try, so that a lost answer cannot sell twice. */
export function newReference() {
  // crypto.randomUUID needs a secure context, which a shop without TLS has not.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
