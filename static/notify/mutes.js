// Which types of news this person does not want to be interrupted by: body[data-muted], and what they chose since in another
// tab. Muted news stands in the bell all the same.

import { openChannel } from "../realtime/channel.js";

let muted = new Set((document.body.dataset.muted ?? "").split(" ").filter(Boolean));
let channel = null;

export const isMuted = (type) => muted.has(type);

export function setMuted(types) {
  muted = new Set(types);
  channel?.post(types);
}

export function listenForMutes(scope) {
  const open = () => openChannel(`${scope}:mutes`, (types) => (muted = new Set(types)));
  channel = open();
  addEventListener("pagehide", () => channel.close());
  addEventListener("pageshow", (event) => event.persisted && (channel = open()));
}
