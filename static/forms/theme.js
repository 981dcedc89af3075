// [data-theme-choice="light" | "dark" | "system"]: kept in a cookie, so that the server writes the right data-bs-theme before the
// first paint. "system" is resolved here, and follows the device.

const dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => /(?:^|; )theme=(light|dark|system)/.exec(document.cookie)?.[1] ?? "system";

function apply() {
  const choice = chosen();
  document.documentElement.dataset.bsTheme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
  }
}

export function bindTheme() {
  apply();
  dark.addEventListener?.("change", apply);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    document.cookie = `theme=${button.dataset.themeChoice}; path=/; max-age=31536000; samesite=lax`;
    apply();
  });
}
