// What the leading tab has lately received, in order, so that a tab that joins from its own cursor can be told what it
// missed without asking the server. Cursors are opaque: one either stands in this log or does not.

const KEPT = 400;

export class Log {
  #entries = [];      // {id, name, data}; a mark has no name
  #dropped = 0;       // how many have left at the front: positions never shift
  #coveredFrom = new Map(); // topic → position since which nothing of it can be missing

  /** The connection now carries `topics`, from `id` on. Topics it already carried stay covered from where they were. */
  resume(topics, id) {
    this.#push({ id });
    const here = this.#dropped + this.#entries.length - 1;
    for (const topic of this.#coveredFrom.keys()) if (!topics.includes(topic)) this.#coveredFrom.delete(topic);
    for (const topic of topics) if (!this.#coveredFrom.has(topic)) this.#coveredFrom.set(topic, here);
  }

  /** After a reset nothing that came before joins up with what follows. */
  restart(topics, id) {
    this.#coveredFrom.clear();
    this.resume(topics, id);
  }

  add(name, data, id) {
    this.#push({ id, name, data });
  }

  /** A heartbeat's id: nothing happened, but the cursor may have moved past changes of other branches. */
  mark(id) {
    if (this.#entries[this.#entries.length - 1]?.id !== id) this.#push({ id });
  }

  /** What `topic` said after `cursor`, or null if this log cannot know. */
  since(topic, cursor) {
    const from = this.#coveredFrom.get(topic);
    if (from === undefined || !cursor) return null;
    // The first place that bears the id: later ones bear it, too, while a tick is only partly sent.
    const at = this.#entries.findIndex((entry, index) => entry.id === cursor && index + this.#dropped >= from);
    if (at < 0) return null;
    return this.#entries.slice(at + 1).filter((entry) => entry.name === topic);
  }

  #push(entry) {
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) {
      this.#entries.shift();
      this.#dropped += 1;
    }
  }
}
