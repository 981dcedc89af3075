// An unfinished sale survives a reload: it lives as long as the tab. Its reference goes with it, so that a sale whose
// answer was lost is not sold again after the reload.
export function keepDraft(key, draft) {
  try {
    if (draft) sessionStorage.setItem(key, JSON.stringify(draft));
    else sessionStorage.removeItem(key);
  } catch {
    // Without storage a reload begins anew; nothing else depends on it.
  }
}

export function readDraft(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}
