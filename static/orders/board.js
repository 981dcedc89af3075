// The board: a press on a card's button moves it without loading the page again. A refusal is said at the card, by the server,
// which draws it with the next step; it stands in the address, so that what others do meanwhile does not wipe it away.

import { readAnswer } from "../forms/enhance.js";
import { setText } from "../live/mark.js";
import { exchangeRegions } from "../live/regions.js";

export function bindBoard(board) {
  const said = document.querySelector("[data-board-said]");
  // Before the listeners of ordinary forms, which send each of them once.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-move]") || !board.contains(event.target) || !event.submitter) return;
    event.preventDefault();
    event.stopPropagation();
    move(event.target, event.submitter, said);
  }, true);
}

async function move(form, button, said) {
  if (form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form));
  body.append(button.name, button.value);
  const answer = await readAnswer(fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } }));
  form.removeAttribute("aria-busy");

  const { id } = form.closest(".ticket");
  const kode = form.closest(".ticket").querySelector(".ticket-link").textContent;
  remember(id, answer.status ? answer.error?.code : null); // without a status nobody answered
  const isDrawn = await exchangeRegions();
  if (answer.error) {
    if (!answer.status || !isDrawn) drawRefusal(document.getElementById(id), answer.error.message);
  } else if (isDrawn) {
    setText(said, `${kode} sekarang ${button.value}.`);
  } else {
    location.reload();
    return;
  }
  // The pressed button is gone with its lane: the hand stays at the card.
  const card = document.getElementById(id);
  (card?.querySelector(".refusal ~ .ticket-pay a") ?? card?.querySelector(".ticket-link"))?.focus({ preventScroll: true });
}

/** The code of a refusal in the address, as the server's own redirect leaves it there; none takes an earlier one out. */
function remember(id, code) {
  const here = new URL(location.href);
  here.searchParams.delete("ditolak");
  here.searchParams.delete("sebab");
  if (code) {
    here.searchParams.set("ditolak", id.replace("pesanan-", ""));
    here.searchParams.set("sebab", code);
  }
  here.hash = "";
  history.replaceState(history.state, "", here);
}

/** Only where the server could not be asked. */
function drawRefusal(card, message) {
  if (!card) return;
  card.dataset.refused = "";
  card.querySelector(".refusal")?.remove();
  const place = document.createElement("p");
  place.className = "refusal";
  place.setAttribute("role", "alert");
  place.textContent = message;
  card.querySelector(".ticket-pay").before(place);
}
