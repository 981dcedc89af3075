// A message may arrive twice or late (a reconnect, a tab that catches up). These remember what a tab already knows.

/** RFC 3339 UTC in microseconds. As text, "…05.12Z" would sort after "…05.123Z"; as a Date, microseconds are lost. */
export function microseconds(timestamp) {
  const parts = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(timestamp ?? "");
  if (!parts) return NaN;
  return Date.parse(parts[1] + parts[3]) * 1000 + Number((parts[2] ?? "").padEnd(6, "0").slice(0, 6));
}

/** Lets a product's row through only if it is newer than the one seen last; a deletion is a row, too. */
export class Versions {
  #held = new Map();

  admit(update) {
    const key = `${update.product_type}:${update.product_id}`;
    const version = microseconds(update.updated_at);
    if (version <= this.#held.get(key)) return false;
    if (!Number.isNaN(version)) this.#held.set(key, version);
    return true;
  }

  clear() {
    this.#held.clear();
  }
}

/** The ids seen lately; a repeated one is not news. */
export class Seen {
  #ids = new Set();

  admit(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > 1000) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}
