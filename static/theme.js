// Loaded before the page is drawn, by an ordinary blocking <script>: who chose "as the device" would else see a flash of
// the other theme. The server writes data-bs-theme for light and dark by itself.

(() => {
  if (!/(?:^|; )theme=system(?:;|$)/.test(document.cookie)) return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => (document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light");
  apply();
  dark.addEventListener?.("change", apply);
})();
