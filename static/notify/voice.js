// News read aloud in Indonesian, where this device was asked to: off by default, because a tablet on the counter speaks to the
// whole shop. One tab speaks; many at once are one sentence.

import { claim } from "./once.js";
import { spoken } from "./words.js";

const KEY = "melati:suara";
const GATHER_MS = 400;
const HIDDEN_WAITS_MS = 250;

export const canSpeak = () => "speechSynthesis" in window;

export function isOn() {
  try {
    return canSpeak() && localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}

export function switchVoice(state) {
  localStorage.setItem(KEY, state);
  if (state === "on") say("Suara aktif."); // heard at once; and browsers speak only after a press
  else speechSynthesis.cancel();
}

let gathered = [];
let timer = 0;

export function speak(scope, notice) {
  if (!isOn()) return;
  gathered.push(notice);
  timer ||= setTimeout(async () => {
    timer = 0;
    const notices = gathered;
    gathered = [];
    // a tab that is seen goes first: browsers are loath to let a hidden one speak
    if (document.visibilityState === "hidden") await new Promise((resolve) => setTimeout(resolve, HIDDEN_WAITS_MS));
    const won = await claim(`${scope}:said`, notices.map(({ id }) => String(id)));
    const mine = notices.filter(({ id }) => won.includes(String(id)));
    if (mine.length) say(spoken(mine));
  }, GATHER_MS);
}

function say(sentence) {
  const utterance = new SpeechSynthesisUtterance(sentence);
  utterance.lang = "id-ID";
  const voice = speechSynthesis.getVoices().find(({ lang }) => /^id([-_]|$)/i.test(lang));
  if (voice) utterance.voice = voice;
  speechSynthesis.speak(utterance);
}
