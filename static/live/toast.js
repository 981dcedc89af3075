// Toasts: told in the corner, one at a time, never taking the focus. Many that come at once become one.
// SweetAlert2 is loaded with the first one, so that the first view does not wait for it.

const BURST_MS = 150;    // a delivery, an import: what happens at once is told at once, as one
const GATHER_MS = 2_000;
const SHOWN_MS = 6_000;

let gathered = [];
let timer = 0;

export const loadSwal = () => import("sweetalert2/dist/sweetalert2.esm.js").then(({ default: Swal }) => Swal);

/** notice: {type, title, detail, tone, icon, href}. Answers to a press (done, refusal) are not gathered: they are waited for. */
export function toast(notice) {
  if (document.visibilityState === "hidden") return; // the bell keeps it
  if (notice.type === "done" || notice.type === "refusal") {
    show(notice);
    return;
  }
  gathered.push(notice);
  timer ||= setTimeout(flush, BURST_MS);
}

function flush() {
  timer = 0;
  if (!gathered.length) return;
  const notices = gathered;
  gathered = [];
  show(notices.length === 1 ? notices[0] : summary(notices));
  timer = setTimeout(flush, GATHER_MS);
}

function summary(notices) {
  const count = notices.length;
  const sameType = notices.every(({ type }) => type === notices[0].type);
  const common = { ...notices[0], detail: "Dikumpulkan jadi satu", href: "/notifikasi", link: "Lihat daftar" };
  if (sameType && common.type === "stock_alert") return { ...common, title: `${count} produk stoknya rendah`, href: "/stok?level=low" };
  if (sameType && common.type === "new_transaction") return { ...common, title: `${count} transaksi baru`, href: "/penjualan" };
  if (sameType && common.type === "ready_for_pickup") return { ...common, title: `${count} pesanan siap diambil` };
  return { ...common, title: `${count} kabar baru`, tone: "accent", icon: "bell" };
}

async function show(notice) {
  const Swal = await loadSwal();
  if (isAsking(Swal)) return;
  Swal.fire({
    toast: true,
    html: body(notice),
    position: corner(),
    timer: SHOWN_MS,
    showConfirmButton: false,
    showCloseButton: true,
    closeButtonAriaLabel: "Tutup",
    buttonsStyling: false,
    customClass: { container: "toast-place", popup: "note passing" },
    didOpen: (popup) => {
      popup.addEventListener("mouseenter", Swal.stopTimer);
      popup.addEventListener("mouseleave", Swal.resumeTimer);
    },
  });
}

/** A question is on the screen: nothing is put over it. One that is answered and just fading away is none. */
export function isAsking(Swal) {
  const shown = Swal.isVisible() ? Swal.getPopup()?.classList : null;
  return Boolean(shown) && !shown.contains("passing") && !shown.contains("swal2-hide");
}

/** On the sales page clear of the cart. */
export const corner = () => (document.querySelector("main.sell") ? "bottom-start" : "bottom-end");

function body({ title, detail, tone, icon, href, link }) {
  const content = document.createElement("div");
  content.className = "d-flex gap-3 w-100";
  content.append(badge(tone, icon), words());
  return content;

  function words() {
    const text = element("span", "grow");
    const head = element("strong", "", href && !link ? anchor(href, title, "text-reset text-decoration-none") : title);
    text.append(head);
    if (detail) {
      const small = element("small", "", detail);
      if (link) small.append(" · ", anchor(href, link));
      text.append(small);
    }
    return text;
  }
}

export function badge(tone, icon) {
  const box = element("span", "notice-icon");
  if (tone) box.dataset.tone = tone;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/assets/icons.svg#${icon}`);
  svg.append(use);
  box.append(svg);
  return box;
}

export function anchor(href, text, className = "") {
  const link = element("a", className, text);
  link.href = href;
  return link;
}

export function element(name, className, ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}
