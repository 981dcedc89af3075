// The last hour's connections. uPlot draws into the panel; the same facts stand in words below it.

import uPlot from "uplot";

const KEPT_SECONDS = 3_600;

export async function openChart(place, manager) {
  const words = document.querySelector("[data-streams-words]");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const answer = await fetch("/api/pantauan/riwayat", { headers: { Accept: "application/json" } }).catch(() => null);
  const past = answer?.ok ? await answer.json() : { unix: [], streams: [], failures: [] };
  const data = [past.unix, past.streams];
  let plot = null;

  const draw = () => {
    plot?.destroy();
    plot = new uPlot({
      width: place.clientWidth, height: 200, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (_, least, most) => [0, Math.max(4, Math.ceil(most * 1.2))] } },
      axes: [
        { stroke: colour("--ink-muted"), grid: { show: false }, ticks: { show: false }, values: (_, times) => times.map(clock) },
        { stroke: colour("--ink-muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, size: 40, values: (_, counts) => counts.map((count) => (Number.isInteger(count) ? String(count) : "")) },
      ],
      series: [{}, { stroke: colour("--accent"), fill: colour("--accent-soft"), width: 2, points: { show: false } }],
    }, data, place);
  };
  draw();
  tell();
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 200 })).observe(place);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });

  manager.connectMonitoring({
    onData({ unix, streams }) {
      // each second a point at the end, which the next one replaces until ten seconds are full
      const last = data[0].length - 1;
      if (last > 0 && unix - data[0][last - 1] < 10) {
        data[0][last] = unix;
        data[1][last] = streams;
      } else {
        data[0].push(unix);
        data[1].push(streams);
      }
      while (data[0].length && data[0][0] < unix - KEPT_SECONDS) data.forEach((column) => column.shift());
      plot.setData(data);
      tell();
    },
  });

  function tell() {
    if (!data[1].length) return;
    words.textContent = `Sekarang ${data[1][data[1].length - 1]} sambungan, paling banyak ${Math.max(...data[1])} sejak ${clock(data[0][0])}.`;
  }
}

const time = new Intl.DateTimeFormat("id-ID", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: document.body.dataset.timezone || undefined });
const clock = (unix) => time.format(new Date(unix * 1000)).replace(".", ":");
