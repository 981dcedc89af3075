// form[data-enhance] is sent by fetch: refusals appear beside their fields, what was typed stays, nothing is sent twice.
// Answers: {"ok":true,"redirect"?,"message"?} or {"error":{"code","message","fields"?}}. Without JavaScript the same form
// is an ordinary POST.

import { toast } from "../live/toast.js";

export function bindForms() {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-enhance]")) return;
    event.preventDefault();
    send(event.target, event.submitter);
  });
  // Ordinary forms, too, are sent once.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post" || event.target.matches("[data-read-all]")) return;
    if (event.target.dataset.sent !== undefined) event.preventDefault();
    event.target.dataset.sent = "";
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
}

async function send(form, submitter) {
  if (form.getAttribute("aria-busy") === "true") return;
  setBusy(form, submitter, true);
  clearRefusal(form);
  try {
    const body = new URLSearchParams(new FormData(form));
    if (submitter?.name) body.append(submitter.name, submitter.value);
    const answer = await postForm(submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href, body);
    if (answer.error) {
      showRefusal(form, answer.error);
      return;
    }
    if (answer.redirect) {
      location.assign(answer.redirect);
      return;
    }
    if (answer.message) toast({ type: "done", title: answer.message, tone: "success", icon: "check" });
  } finally {
    setBusy(form, submitter, false);
  }
}

async function postForm(url, body) {
  return readAnswer(fetch(url, { method: "POST", body, headers: { Accept: "application/json" } }));
}

/** What was sent may have arrived, although no answer came: it is not to be done twice unawares. */
const LOST = "Jawaban server tidak sampai. Periksa dulu apakah sudah tersimpan, lalu coba lagi.";

/**
 * The answer's JSON; whatever goes wrong becomes an {error} that says what to do. `lost`: what to say where no answer came.
 * Without a `status` what was sent has not been dealt with, or nobody knows: it may be sent again, also after signing in.
 */
export async function readAnswer(request, lost = LOST) {
  let response;
  try {
    response = await request;
  } catch {
    return { error: { code: "offline", message: lost } };
  }
  if (response.status === 401) {
    return { error: { code: "signed_out", message: "Sesi Anda sudah berakhir. Masuk lagi di tab lain, lalu simpan." } };
  }
  const answer = await response.json().catch(() => null);
  if (answer && (response.ok || answer.error)) return { ...answer, status: response.status };
  const wait = Number(response.headers.get("Retry-After"));
  const when = wait > 0 ? `${wait} detik lagi` : "sebentar lagi";
  // Not from us: a proxy before us that did not hear our answer, or something in between.
  const message = response.status === 429 || response.status === 503 ? `Sedang ramai. Coba ${when}.` : lost;
  return { error: { code: "failed", message }, status: response.status };
}

function setBusy(form, submitter, isBusy) {
  form.setAttribute("aria-busy", String(isBusy));
  const button = submitter ?? form.querySelector("button:not([type=button])");
  // Not disabled: a disabled button loses the focus. aria-busy on the form refuses the second press.
  if (button) button.setAttribute("aria-disabled", String(isBusy));
}

export function clearRefusal(form) {
  for (const place of form.querySelectorAll("[data-error-for], [data-refusal]")) {
    place.textContent = "";
    place.hidden = true;
  }
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.classList.remove("is-invalid");
  }
}

/** Beside the fields where the form has a place for it, the rest at [data-refusal]. */
export function showRefusal(form, { message, fields = {} }) {
  let first = null;
  const homeless = [];
  for (const [name, text] of Object.entries(fields)) {
    const place = form.querySelector(`[data-error-for="${CSS.escape(name)}"]`);
    if (!place) {
      homeless.push(text);
      continue;
    }
    place.textContent = text;
    place.hidden = false;
    const field = form.elements.namedItem(name);
    if (field instanceof Element) {
      field.setAttribute("aria-invalid", "true");
      field.classList.add("is-invalid");
      first ??= field;
    }
  }
  const general = form.querySelector("[data-refusal]");
  if (general && (homeless.length || !first)) {
    general.textContent = [message, ...homeless].filter(Boolean).join(" ");
    general.hidden = false;
  } else if (!general && !first) {
    toast({ type: "refusal", title: message, tone: "danger", icon: "alert" });
  }
  first?.focus(); // the hand is still on this form: it pressed the button
}
