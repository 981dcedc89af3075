// How figures are written, the same as the server writes them: rupiah with a no-break space, dots between thousands, a
// real minus.

const NBSP = "\u00a0";

export function grouped(number) {
  const digits = String(Math.abs(Math.round(number))).replace(/\B(?=(\d{3})+$)/g, ".");
  return number < 0 ? `−${digits}` : digits;
}

export function rupiah(amount) {
  return amount < 0 ? `−Rp${NBSP}${grouped(-amount)}` : `Rp${NBSP}${grouped(amount)}`;
}

const FORMATS = {
  rupiah,
  grouped,
  number: grouped,
  percent: (value) => `${grouped(value)}%`,
  text: String,
};

/** A value as `data-format` asks; nothing is an empty text, never "null". */
export function format(value, name = "text") {
  if (value === null || value === undefined) return "";
  return (FORMATS[name] ?? String)(value);
}

const timeZone = document.body.dataset.timezone || undefined;
const clock = new Intl.DateTimeFormat("id-ID", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone });

/** "14:05" in the branch's time (the browser's, where the page names none). */
export function clockTime(date) {
  return clock.format(date).replace(".", ":");
}

/** "Rp 1.250.000", "1.250.000" and "1250000" are all 1250000; anything else is NaN. */
export function parseRupiah(text) {
  const digits = text.replace(/rp|[\s.\u00a0]/gi, "");
  return /^\d+$/.test(digits) ? Number(digits) : digits === "" ? 0 : NaN;
}
