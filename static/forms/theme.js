// The account page keeps the choice in the cookie `theme`, so that the server writes the right data-bs-theme before the first
// paint. "system" is resolved here, follows the device, and leaves what it came to in `theme_shown` for the next page.

const dark = matchMedia("(prefers-color-scheme: dark)");
const isSystem = () => /(?:^|; )theme=system/.test(document.cookie);

function apply() {
  if (!isSystem()) return;
  const shown = dark.matches ? "dark" : "light";
  document.documentElement.dataset.bsTheme = shown;
  document.cookie = `theme_shown=${shown}; path=/; max-age=31536000; samesite=lax`;
}

export function bindTheme() {
  apply();
  dark.addEventListener?.("change", apply);
}
