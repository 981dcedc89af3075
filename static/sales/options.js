// A combobox over a listbox: the focus stays in the field, the arrows move the chosen option, Enter takes it.

export class Options {
  #isMoved = false; // the choice was made with the arrows: slower results must not take it back

  constructor(field, list, { take }) {
    this.field = field;
    this.list = list;
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) take(option);
    });
    list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays where it was
    field.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        this.#move(event.key === "ArrowDown" ? 1 : -1);
      }
    });
  }

  get chosen() {
    return this.list.querySelector("[role=option][aria-selected=true]");
  }

  /** Shows these rows (each with its data-key); the first that can be taken is chosen, unless another was chosen by hand. */
  show(rows) {
    const chosenKey = this.#isMoved ? this.chosen?.dataset.key : undefined;
    const kept = chosenKey === undefined ? null : rows.find((row) => row.dataset.key === chosenKey);
    this.#isMoved = Boolean(kept);
    rows.forEach((row, index) => (row.id = `${this.list.id}-${index}`));
    this.list.replaceChildren(...rows);
    this.list.hidden = rows.length === 0;
    this.field.setAttribute("aria-expanded", String(rows.length > 0));
    this.choose(kept ?? rows.find((row) => row.getAttribute("aria-disabled") !== "true") ?? null);
  }

  choose(row) {
    this.chosen?.setAttribute("aria-selected", "false");
    row?.setAttribute("aria-selected", "true");
    if (row) this.field.setAttribute("aria-activedescendant", row.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  #move(by) {
    const rows = [...this.list.querySelectorAll("[role=option]")];
    if (!rows.length) return;
    const at = rows.indexOf(this.chosen);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    this.choose(next);
    this.#isMoved = true;
    next.scrollIntoView({ block: "nearest" });
  }
}

/** Runs `work` once the calls have paused. */
export function debounced(ms, work) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), ms);
  };
}
