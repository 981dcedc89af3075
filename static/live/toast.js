// Toasts: told in the corner, one at a time, never taking the focus. Many within two seconds become one.
// SweetAlert2 is loaded with the first one, so that the first view does not wait for it.

const GATHER_MS = 2_000;
const SHOWN_MS = 6_000;

let gathered = [];
let timer = 0;

/** notice: {type, title, detail, tone, icon, href}. The first is shown at once, those that follow it closely together. */
export function toast(notice) {
  if (document.visibilityState === "hidden") return; // the bell keeps it
  gathered.push(notice);
  if (timer) return;
  show(notice);
  gathered = [];
  timer = setTimeout(flush, GATHER_MS);
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
  const { default: Swal } = await import("sweetalert2/dist/sweetalert2.esm.js");
  if (Swal.isVisible() && !Swal.getPopup()?.classList.contains("swal2-toast")) return; // never over a question
  Swal.fire({
    toast: true,
    html: body(notice),
    position: document.querySelector("main.sell") ? "bottom-start" : "bottom-end",
    timer: SHOWN_MS,
    showConfirmButton: false,
    showCloseButton: true,
    closeButtonAriaLabel: "Tutup",
    buttonsStyling: false,
    customClass: { container: "toast-place", popup: "note" },
    didOpen: (popup) => {
      popup.addEventListener("mouseenter", Swal.stopTimer);
      popup.addEventListener("mouseleave", Swal.resumeTimer);
    },
  });
}

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

function badge(tone, icon) {
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

function anchor(href, text, className = "") {
  const link = element("a", className, text);
  link.href = href;
  return link;
}

function element(name, className, ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}
