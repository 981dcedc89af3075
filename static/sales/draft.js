// An unfinished sale survives a reload: it lives as long as the tab. Its reference goes with it, so that a sale whose
// answer was lost is not sold again after the reload. It names a patient: it is for nobody but the one who began it.

const PREFIX = "melati:sale:";

export function keepDraft(userId, draft) {
  try {
    if (draft) sessionStorage.setItem(PREFIX + userId, JSON.stringify(draft));
    else sessionStorage.removeItem(PREFIX + userId);
  } catch {
    // Without storage a reload begins anew; nothing else depends on it.
  }
}

export function readDraft(userId) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + userId));
  } catch {
    return null;
  }
}

/** What others left in this tab; with no `userId`, everybody's. */
export function forgetDrafts(userId) {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(PREFIX) && key !== PREFIX + userId) sessionStorage.removeItem(key);
    }
  } catch {
    // no storage, no drafts
  }
}
