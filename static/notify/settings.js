// The notification page's settings: which types interrupt (form[data-mutes], kept on the server), and what belongs to this
// device: [data-browser-notices] and [data-voice], which are hidden until this script knows how they stand.

import { toast } from "../live/toast.js";
import { setMuted } from "./mutes.js";
import { allow, standing, stop } from "./system.js";
import { canSpeak, isOn, switchVoice } from "./voice.js";
import { readAnswer } from "../forms/enhance.js";

export function bindSettings() {
  bindMutes(document.querySelector("[data-mutes]"));
  bindSystem(document.querySelector("[data-browser-notices]"));
  bindVoice(document.querySelector("[data-voice]"));
}

/** A switch holds at once; without this script there is a button. */
function bindMutes(form) {
  form.querySelector("[data-save-mutes]").hidden = true;
  form.addEventListener("change", async ({ target }) => {
    const body = new URLSearchParams(new FormData(form));
    const answer = await readAnswer(fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } }));
    if (answer.muted) {
      setMuted(answer.muted);
      return;
    }
    target.checked = !target.checked; // it did not hold
    toast({ type: "refusal", title: answer.error?.message ?? "Belum tersimpan; coba lagi.", tone: "danger", icon: "alert" });
  });
}

function bindSystem(panel) {
  const refusal = panel.querySelector("[data-browser-refusal]");
  const showStanding = () => (panel.dataset.browserNotices = standing());
  showStanding();
  panel.hidden = false;
  panel.querySelector("[data-ask-notices]").addEventListener("click", async () => {
    refusal.hidden = true;
    try {
      await allow();
    } catch {
      refusal.textContent = "Peramban ini tidak mau menyimpannya. Coba di luar jendela pribadi.";
      refusal.hidden = false;
    }
    showStanding();
  });
  panel.querySelector("[data-stop-notices]").addEventListener("click", () => {
    stop();
    showStanding();
  });
  // changed beside the address, while the page stands
  navigator.permissions?.query?.({ name: "notifications" }).then((status) => status.addEventListener("change", showStanding), () => {});
}

function bindVoice(panel) {
  if (!canSpeak()) return;
  const box = panel.querySelector("[data-voice-switch]");
  box.checked = isOn();
  panel.hidden = false;
  box.addEventListener("change", () => switchVoice(box.checked ? "on" : "off"));
}
