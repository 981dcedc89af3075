// details.menu: one open at a time; closes on Escape (giving the focus back) and on a press elsewhere.
// [data-reveals="id"] shows or hides the form with that id (restock in the stock list).

export function bindMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    const button = event.target.closest("[data-reveals]");
    if (button) reveal(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (!menu) return;
    const held = menu.contains(document.activeElement);
    menu.open = false;
    if (held) menu.querySelector("summary").focus();
  });
}

function reveal(button) {
  const target = document.getElementById(button.dataset.reveals);
  if (!target) return;
  target.hidden = !target.hidden;
  button.setAttribute("aria-expanded", String(!target.hidden));
  if (!target.hidden) target.querySelector("input:not([type=hidden]), select")?.focus();
}
