// The till's questions to the server. Every answer is its JSON, or {error: {code, message, fields?}}.

import { readAnswer } from "../forms/enhance.js";

const get = (path, query, signal) =>
  readAnswer(fetch(`${path}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" }, signal }));

const post = (path, body, signal) =>
  readAnswer(fetch(path, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  }));

export const findProducts = (cari, jenis) => get("/api/products", { cari, jenis });
export const findPatients = (cari) => get("/api/pasien", { cari });
export const addPatient = (patient) => post("/pasien", patient);
export const quote = (sale, signal) => post("/penjualan/hitung", sale, signal);
export const sell = (sale) => post("/penjualan", sale);

/** A reference of our own for a sale: sent again with every try, so that a lost answer cannot sell twice. */
export function newReference() {
  // crypto.randomUUID needs a secure context, which a shop without TLS has not.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
