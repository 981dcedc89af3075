// News in words for a lock screen or a loudspeaker, where strangers read and hear along: built from what is known to hold
// no name of a patient. The notice's own message is never used; of a type that is not known here only that there is news.

const KINDS = {
  new_transaction: {
    title: "Transaksi baru", body: ({ no_transaksi }) => no_transaksi,
    said: () => "Transaksi baru.", many: (count) => `${count} transaksi baru.`,
  },
  ready_for_pickup: {
    title: "Siap diambil", body: ({ no_transaksi }) => no_transaksi,
    said: ({ no_transaksi }) => `Pesanan ${spelled(no_transaksi)} siap diambil.`, many: (count) => `${count} pesanan siap diambil.`,
  },
  stock_alert: {
    title: "Stok rendah", body: ({ kode, current_stock }) => kode && `${kode}, tinggal ${current_stock}`,
    said: ({ product_type, current_stock }) => `Stok rendah. Satu ${(product_type ?? "produk").toLowerCase()} tinggal ${current_stock}.`,
    many: (count) => `${count} produk stoknya rendah.`,
  },
  payment_processed: {
    title: "Pembayaran diterima", body: ({ no_transaksi }) => no_transaksi,
    said: () => "Pembayaran diterima.", many: (count) => `${count} pembayaran diterima.`,
  },
  transaction_updated: {
    title: "Transaksi diubah", body: ({ no_transaksi }) => no_transaksi,
    said: () => "Transaksi diubah.", many: (count) => `${count} transaksi diubah.`,
  },
  price_updated: {
    title: "Harga berubah", body: ({ kode }) => kode,
    said: () => "Ada harga yang berubah.", many: (count) => `${count} harga berubah.`,
  },
  stock_transfer: {
    title: "Kiriman antar cabang", said: () => "Ada kabar kiriman antar cabang.", many: (count) => `${count} kabar kiriman antar cabang.`,
  },
  day_opened: { title: "Hari dibuka", said: () => "Hari dibuka.", many: (count) => `Hari dibuka di ${count} cabang.` },
  day_closed: { title: "Hari ditutup", said: () => "Hari ditutup.", many: (count) => `Hari ditutup di ${count} cabang.` },
  // whoever wrote it may have put anything into it
  announcement: { title: "Pengumuman baru", said: () => "Ada pengumuman baru.", many: (count) => `${count} pengumuman baru.` },
};

/** {title, body} for the operating system to show. */
export function written({ type, data }) {
  const kind = KINDS[type];
  return { title: kind?.title ?? "Kabar baru", body: kind?.body?.(data ?? {}) || "Buka Melati untuk melihatnya." };
}

/** A sentence to be spoken for these, of one type or several. */
export function spoken(notices) {
  const [first] = notices;
  const isOneType = notices.every(({ type }) => type === first.type);
  const kind = isOneType ? KINDS[first.type] : null;
  if (notices.length === 1) return kind?.said(first.data ?? {}) ?? "Ada kabar baru.";
  return kind?.many?.(notices.length) ?? `${notices.length} kabar baru.`;
}

/** KMG-261121-031 → "nomor 31": the number that is called out in the shop. */
function spelled(code) {
  const number = Number(/-(\d+)$/.exec(code ?? "")?.[1]);
  return number ? `nomor ${number}` : "";
}
