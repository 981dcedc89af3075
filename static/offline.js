// The page that the service worker shows in place of one that could not be loaded (sw.js). It stands at the address of that page:
// as soon as the server answers, loading again is all there is to do. Until then it asks, at first often, later less so.

const FIRST_MS = 1_000;
const LONGEST_MS = 10_000;
const PATIENCE_MS = 5_000; // a network that swallows everything is away, too

const theme = /(?:^|; )theme=(light|dark)/.exec(document.cookie);
if (theme) document.documentElement.dataset.bsTheme = theme[1];

const clock = new Intl.DateTimeFormat("id-ID", { hour: "2-digit", minute: "2-digit" });
document.querySelector("[data-since]").textContent = ` sejak ${clock.format(new Date())}`;

const said = document.querySelector("[data-said]");
let wait = FIRST_MS;
let timer = 0;

async function isBack() {
  const patience = new AbortController();
  const giveUp = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    return (await fetch("/health/live", { cache: "no-store", signal: patience.signal })).ok;
  } catch {
    return false;
  } finally {
    clearTimeout(giveUp);
  }
}

async function look() {
  clearTimeout(timer);
  timer = 0;
  if (await isBack()) {
    location.reload();
    return true;
  }
  timer ||= setTimeout(look, wait);
  wait = Math.min(LONGEST_MS, wait * 1.5);
  return false;
}

document.querySelector("[data-retry]").addEventListener("click", async () => {
  said.textContent = "Mencoba…";
  if (!(await look())) said.textContent = "Masih terputus. Kami coba terus.";
});
// The system knows of the network before we do, and a tablet that was put away asks at once when it is taken up.
addEventListener("online", look);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
look();
