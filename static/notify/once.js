// What happens once in a browser, whichever tab does it: a popup, a spoken word. Who claims a key first has it; what was
// claimed is remembered, so that it does not happen again after a reload.
//
// In IndexedDB, because its transactions follow each other across tabs, with TLS and without. localStorage does not do: each
// process of the browser has a copy of its own, which may lag behind even under a lock.

const DAYS_KEPT = 400; // longer than anything stays open
const alone = new Set(); // where storage is forbidden each tab is on its own

/** Resolves to those of the keys that nobody had claimed. */
export async function claim(name, keys) {
  const won = [];
  try {
    await within((store) => {
      for (const key of keys) take(store, `${name} ${key}`, () => won.push(key));
      forgetOld(store);
    });
    return won;
  } catch {
    const free = keys.filter((key) => !alone.has(`${name} ${key}`));
    for (const key of free) alone.add(`${name} ${key}`);
    return free;
  }
}

/** The first time ever under this name: these are claimed, and nothing comes of it. */
export async function passOver(name, keys) {
  try {
    await within((store) => take(store, `${name} begun`, () => {
      for (const key of keys) take(store, `${name} ${key}`, () => {});
    }));
  } catch {
    for (const key of keys) alone.add(`${name} ${key}`);
  }
}

function take(store, key, won) {
  store.get(key).onsuccess = ({ target }) => {
    if (target.result) return;
    store.put({ key, at: Date.now() });
    won();
  };
}

function forgetOld(store) {
  store.index("at").openCursor(IDBKeyRange.upperBound(Date.now() - DAYS_KEPT * 86_400_000)).onsuccess = ({ target }) => {
    target.result?.delete();
    target.result?.continue();
  };
}

/** One transaction; resolves when all of it has happened. */
function within(work) {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("melati", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("once", { keyPath: "key" }).createIndex("at", "at");
    asked.onerror = () => reject(asked.error);
    asked.onsuccess = () => {
      const transaction = asked.result.transaction("once", "readwrite");
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
      work(transaction.objectStore("once"));
      asked.result.close(); // once the transaction has ended
    };
  });
}
