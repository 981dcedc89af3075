// The hours of today against yesterday and last week: uPlot in the place of the picture that the server drew, with the same
// shapes. Loaded only where a [data-chart] is. Its [data-chart-stage] says in words what it shows, and the table beside
// it ([data-hour] rows, live like all figures) has every number: today's bars are read from there.

import uPlot from "uplot";
import { grouped, parseRupiah, rupiah } from "./format.js";
import { setText } from "./mark.js";

const FIRST = 8; // a shop is open between these; a day that is longer is drawn longer
const LAST = 19;
const MIN_STEP = 10_000;
const HALO_PX = 5; // so that a line stays readable over a bar

export function openChart(panel, manager) {
  const stage = panel.querySelector("[data-chart-stage]");
  const said = panel.querySelector("[data-chart-said]");
  const rows = [...panel.querySelectorAll("[data-hour]")];
  const yesterday = listed(panel.dataset.hoursKemarin);
  const lastWeek = listed(panel.dataset.hoursPekanLalu);
  const lastWeekWord = panel.dataset.pekanLalu;
  const note = said.textContent;
  let today = rows.map((row) => parseRupiah(row.querySelector("[data-bind]").textContent));
  let running = panel.dataset.jam === "" ? null : Number(panel.dataset.jam);
  let plot = null;

  draw();
  manager.connectDashboard({
    onData({ per_jam, jam }) {
      if (!per_jam) return;
      today = per_jam;
      running = jam;
      update();
    },
  });
  new ResizeObserver(() => plot && plot.width !== stage.clientWidth && plot.setSize(size())).observe(stage);
  // The tokens are other ones in the other theme.
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });

  function draw() {
    plot?.destroy();
    stage.replaceChildren();
    plot = new uPlot(options(), series(), stage);
    describe();
  }

  function update() {
    const [first, last] = shownHours();
    rows.forEach((row, hour) => { row.hidden = hour < first || hour > last; });
    plot.setData(series());
    describe();
  }

  function describe() {
    const best = today.indexOf(Math.max(...today));
    stage.setAttribute("aria-label", today[best] > 0
      ? `Omset per jam. Hari ini tertinggi pukul ${twoDigits(best)}.00, ${rupiah(today[best])}; kemarin pada jam yang sama ${rupiah(yesterday[best])}.`
      : "Omset per jam. Belum ada omset hari ini.");
  }

  function shownHours() {
    const busy = today.map((amount, hour) => (amount || yesterday[hour] || lastWeek[hour] ? hour : -1)).filter((hour) => hour >= 0);
    return [Math.min(FIRST, ...busy), Math.max(LAST, ...busy)];
  }

  /** uPlot's columns. The running hour is a series of its own, because it has a colour of its own. */
  function series() {
    const [first, last] = shownHours();
    const hours = Array.from({ length: last - first + 1 }, (_, place) => first + place);
    const of = (amounts) => hours.map((hour) => amounts[hour]);
    return [
      hours,
      hours.map((hour) => (hour === running ? null : today[hour])),
      hours.map((hour) => (hour === running ? today[hour] : null)),
      of(lastWeek), of(lastWeek), of(yesterday), of(yesterday),
    ];
  }

  function size() {
    return { width: stage.clientWidth, height: 232 };
  }

  function options() {
    const token = tokens();
    const bars = uPlot.paths.bars({ size: [0.6, 60] });
    const points = { show: false };
    const halo = { stroke: token("surface"), width: HALO_PX, points };
    const axis = { stroke: token("ink-muted"), font: `12px ${token("font-text")}`, ticks: { show: false } };
    return {
      ...size(),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, range: () => { const [first, last] = shownHours(); return [first - 0.5, last + 0.5]; } },
        y: { range: () => [0, grid(Math.max(...today, ...yesterday, ...lastWeek))[0]] },
      },
      axes: [
        { ...axis, size: 28, grid: { show: false }, incrs: [1], space: stage.clientWidth < 480 ? 32 : 20, values: (_, splits) => splits.map((hour) => (Number.isInteger(hour) ? twoDigits(hour) : "")) },
        { ...axis, size: 56, grid: { stroke: token("line"), width: 1 }, splits: () => grid(Math.max(...today, ...yesterday, ...lastWeek)).reverse(), values: (_, splits) => splits.map(short) },
      ],
      series: [
        {},
        { paths: bars, fill: token("accent"), width: 0, points },
        { paths: bars, fill: token("payer-bpjs"), width: 0, points },
        halo,
        { stroke: token("ink-faint"), width: 1.75, dash: [4, 4], points },
        halo,
        { stroke: token("ink"), width: 1.75, points },
      ],
      hooks: { setCursor: [({ cursor }) => setText(said, cursor.idx === null || cursor.idx === undefined ? note : numbersAt(shownHours()[0] + cursor.idx))] },
    };
  }

  function numbersAt(hour) {
    return `${twoDigits(hour)}.00: hari ini ${rupiah(today[hour])}, kemarin ${rupiah(yesterday[hour])}, ${lastWeekWord} ${rupiah(lastWeek[hour])}.`;
  }
}

const listed = (text) => text.split(" ").map(Number);
const twoDigits = (hour) => String(hour).padStart(2, "0");

function tokens() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** At most five equal steps of a round amount, from above `highest` down to zero. The server draws the same. */
function grid(highest) {
  for (let power = MIN_STEP; ; power *= 10) {
    const step = [power, 2 * power, 5 * power].find((one) => highest <= 5 * one);
    if (step) {
      const steps = Math.max(1, Math.ceil(highest / step));
      return Array.from({ length: steps + 1 }, (_, line) => (steps - line) * step);
    }
  }
}

/** "1,5 jt", "500 rb". */
function short(amount) {
  if (amount === 0) return "0";
  const [unit, word] = amount >= 1e9 ? [1e9, "M"] : amount >= 1e6 ? [1e6, "jt"] : [1e3, "rb"];
  const tenth = Math.floor((10 * (amount % unit)) / unit);
  return `${grouped(Math.floor(amount / unit))}${tenth ? `,${tenth}` : ""} ${word}`;
}
