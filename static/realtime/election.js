// Which tab holds the connection. Web Locks where they exist: the browser itself passes the lock on when a tab closes,
// crashes or is discarded. They need a secure context, and a shop without TLS (http://192.168.…) has none: there a lease
// in localStorage does it, renewed by its holder and taken when it has run out.

/**
 * Stands for election until resign(). `won` and `lost` may follow each other many times.
 * steal() takes the lead from a tab that has gone quiet: a phone suspends background tabs together with their lock.
 */
export function standForElection(name, leaseMs, { won, lost }) {
  return navigator.locks ? standByLock(name, { won, lost }) : standByLease(name, leaseMs, { won, lost });
}

function standByLock(name, { won, lost }) {
  let resigned = false;
  let letGo = null; // held: resolves the promise that keeps the lock

  const stand = async (options) => {
    const queue = new AbortController();
    if (!options.steal) stopQueueing = () => queue.abort();
    let held = false;
    try {
      await navigator.locks.request(name, options.steal ? options : { signal: queue.signal }, () => {
        if (resigned) return undefined;
        held = true;
        won();
        return new Promise((resolve) => (letGo = resolve));
      });
    } catch {
      // Aborted: we stopped queueing, or another tab stole the lock.
    }
    if (!held) return;
    letGo = null;
    if (!resigned) {
      lost();
      stand({});
    }
  };
  let stopQueueing = () => {};
  stand({});

  return {
    steal() {
      if (letGo || resigned) return;
      stopQueueing(); // or our own old request would wait behind the lock we are about to hold
      stand({ steal: true });
    },
    renew() {}, // a lock needs no renewal
    resign() {
      resigned = true;
      stopQueueing();
      letGo?.();
    },
  };
}

function standByLease(name, leaseMs, { won, lost }) {
  const key = `${name}:lease`;
  const me = Math.random().toString(36).slice(2);
  let leading = false;
  let settling = 0;

  // Storage that may not be used reads as "the lease is ours": then each tab has its own connection, which is the best left.
  const read = () => {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? { holder: null, until: 0 };
    } catch {
      return { holder: me, until: Infinity };
    }
  };
  const write = () => {
    try {
      localStorage.setItem(key, JSON.stringify({ holder: me, until: Date.now() + leaseMs }));
    } catch {
      // see read
    }
  };
  const isFree = (lease) => lease.holder === me || lease.until < Date.now() || lease.until > Date.now() + 2 * leaseMs;

  function take() {
    if (settling || leading) return;
    write();
    // localStorage has no compare-and-set. Whoever wrote last within this pause has it; the others see so.
    settling = setTimeout(() => {
      settling = 0;
      if (read().holder !== me || leading) return;
      leading = true;
      won();
    }, 60 + Math.random() * 60);
  }
  function check() {
    const lease = read();
    if (leading && lease.holder !== me && lease.holder) {
      leading = false;
      lost();
    } else if (leading) {
      write();
    } else if (isFree(lease)) {
      take();
    }
  }
  const noticed = (event) => {
    if (event.key === key) check();
  };
  addEventListener("storage", noticed);
  const timer = setInterval(check, leaseMs / 4);
  check();

  return {
    steal: () => take(),
    renew: () => leading && check(), // called at every message: timers of hidden tabs are throttled, messages are not
    resign() {
      clearInterval(timer);
      clearTimeout(settling);
      removeEventListener("storage", noticed);
      try {
        if (read().holder === me) localStorage.removeItem(key); // its storage event tells the others at once
      } catch {
        // see read
      }
    },
  };
}
