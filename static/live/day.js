// The day of the branch, from the dashboard's messages: the line under the branch's name ([data-day-line] with data-zone) on
// every page, how many branches are open ([data-open-branches]), what is there only while the day is not open ([data-day-closed]), and a new date where a page is about today
// ([data-tanggal]).

import { markChanged, setText } from "./mark.js";

export function updateDay(data) {
  for (const line of document.querySelectorAll("[data-day-line]")) {
    if (setText(line, dayLine(data, line.dataset.zone))) markChanged(line, "pulse");
  }
  const { open_day_status } = ownDay(data);
  for (const figure of data.per_cabang ? document.querySelectorAll("[data-open-branches]") : []) {
    if (setText(figure, `${openOnes(data.per_cabang)} dari ${data.per_cabang.length}`)) markChanged(figure, "pulse");
  }
  if (open_day_status !== undefined) for (const part of document.querySelectorAll("[data-day-closed]")) part.hidden = open_day_status;
  // Dates, greetings and what today is compared with are the server's; nothing is typed on such a page.
  const shown = document.querySelector("[data-tanggal]")?.dataset.tanggal;
  if (shown && data.tanggal > shown) location.reload();
}

/** The day of the branch that the page is about; of all branches there is none. */
const ownDay = (data) => (!data.per_cabang ? data : document.body.dataset.branchId ? data.per_cabang[0] ?? {} : {});

const openOnes = (branches) => branches.filter((branch) => branch.open_day_status).length;

function dayLine(data, zone) {
  const branches = data.per_cabang;
  if (branches && !document.body.dataset.branchId) {
    return `${branches.length} cabang, ${openOnes(branches)} buka`;
  }
  const { open_day_status, open_time, close_time } = ownDay(data);
  if (open_day_status) return `Buka sejak ${open_time} ${zone}`;
  return close_time ? `Ditutup ${close_time} ${zone}` : "Belum dibuka hari ini";
}
