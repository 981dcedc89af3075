// Who follows the device (data-bs-theme="system") gets the colours of its theme by the style sheet alone. Only what draws with
// colours (charts) must hear when the device changes its mind: it watches the attribute, so the attribute is written again.

export function bindTheme() {
  const root = document.documentElement;
  matchMedia("(prefers-color-scheme: dark)").addEventListener?.("change", () => {
    if (root.dataset.bsTheme === "system") root.dataset.bsTheme = "system";
  });
}
