// What the tabs of one browser say to each other: BroadcastChannel, or the storage event where it is missing (Safari before
// 15.4). A message reaches every other tab of the channel, never its sender; each sender's messages stay in order.

/** Returns {post, close}; `listen` gets what other tabs post. */
export function openChannel(name, listen) {
  if ("BroadcastChannel" in globalThis) {
    const channel = new BroadcastChannel(name);
    channel.onmessage = (event) => listen(event.data);
    return { post: (message) => channel.postMessage(message), close: () => channel.close() };
  }
  return openStorageChannel(name, listen);
}

function openStorageChannel(name, listen) {
  const heard = (event) => {
    if (event.key === name && event.newValue) listen(JSON.parse(event.newValue).message);
  };
  addEventListener("storage", heard);
  let count = 0;
  return {
    post(message) {
      try {
        // The count makes equal messages differ (an unchanged value raises no event). Removed at once: nothing of a
        // patient stays behind in the browser's storage.
        localStorage.setItem(name, JSON.stringify({ count: ++count, message }));
        localStorage.removeItem(name);
      } catch {
        // Storage full or forbidden: this tab talks to itself only, and the lease in election.js fails the same way,
        // so that every tab leads itself.
      }
    },
    close: () => removeEventListener("storage", heard),
  };
}
