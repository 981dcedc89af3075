// The last hour: connections in all and by branch, and below it what went wrong. uPlot draws into the panel; the same facts
// stand in words below each, and by branch in the table beside it.

import uPlot from "uplot";

const KEPT_SECONDS = 3_600;
const SAMPLE_SECONDS = 10;
const LINES = 5; // colours that can be told apart; with more branches those with the most connections are drawn
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5]];

export async function openHistory(place, manager) {
  const [words, key, errors, errorWords] = ["streams-words", "streams-key", "errors-chart", "errors-words"].map((name) => document.querySelector(`[data-${name}]`));
  const answer = await fetch("/api/pantauan/riwayat", { headers: { Accept: "application/json" } }).catch(() => null);
  const past = answer?.ok ? await answer.json() : { unix: [], streams: [], branches: [], failed: null };
  const unix = past.unix;
  const all = past.streams;
  const lines = past.branches.map(({ branch_id: id, name, streams }) => ({ id, name, streams }));
  const failed = past.failed ?? []; // since the start of the process
  const now = (streams) => streams[streams.length - 1] ?? 0;
  const hidden = new Set();
  let drawn = [];
  let plot = null;
  let errorPlot = null;

  /** Whose line is drawn; whether that has changed. */
  function choose() {
    // one branch is all there is to see: its line would cover that of all
    if (lines.length < 2) return false;
    const busiest = [...lines].sort((a, b) => Math.max(0, ...b.streams) - Math.max(0, ...a.streams)).slice(0, LINES);
    const chosen = lines.filter((line) => busiest.includes(line));
    if (chosen.length === drawn.length && chosen.every((line, i) => line === drawn[i])) return false;
    drawn = chosen;
    key.querySelectorAll("label").forEach((label) => label.remove());
    drawn.forEach((line, i) => {
      const label = key.querySelector("template").content.firstElementChild.cloneNode(true);
      label.dataset.series = i + 1;
      label.querySelector("span").textContent = line.name;
      label.querySelector("input").checked = !hidden.has(line);
      label.querySelector("input").addEventListener("change", ({ target }) => {
        if (target.checked) hidden.delete(line);
        else hidden.add(line);
        plot.setSeries(i + 2, { show: target.checked });
      });
      key.append(label);
    });
    key.hidden = false;
    return true;
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axes = () => [
    { stroke: colour("--ink-muted"), grid: { show: false }, ticks: { show: false }, values: (_, times) => times.map(clock) },
    { stroke: colour("--ink-muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, size: 40, values: (_, counts) => counts.map((count) => (Number.isInteger(count) ? String(count) : "")) },
  ];
  const options = (height, element, series, least) => ({
    width: element.clientWidth, height, legend: { show: false }, cursor: { show: false }, axes: axes(), series,
    scales: { y: { range: (_, __, most) => [0, Math.max(least, Math.ceil((most ?? 0) * 1.2))] } },
  });
  const streams = () => [unix, all, ...drawn.map((line) => line.streams)];
  const wrong = () => [unix, failed.map((count, i) => (i && count > failed[i - 1] ? count - failed[i - 1] : null))];

  const draw = () => {
    plot?.destroy();
    errorPlot?.destroy();
    plot = new uPlot(options(200, place, [
      {}, { stroke: colour("--accent"), fill: colour("--accent-soft"), width: 2, points: { show: false } },
      ...drawn.map((line, i) => ({ stroke: colour(`--series-${i + 1}`), dash: DASHES[i], width: 2, points: { show: false }, show: !hidden.has(line) })),
    ], 4), streams(), place);
    if (errors) {
      errorPlot = new uPlot(options(110, errors, [
        {}, { stroke: colour("--danger"), fill: colour("--danger"), width: 1, points: { show: false }, paths: uPlot.paths.bars({ size: [0.8, 12, 2] }) },
      ], 4), wrong(), errors);
    }
  };
  choose();
  draw();
  tell();
  new ResizeObserver(() => {
    plot.setSize({ width: place.clientWidth, height: 200 });
    errorPlot?.setSize({ width: errors.clientWidth, height: 110 });
  }).observe(place);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });

  manager.connectMonitoring({
    onData(report) {
      // each second a point at the end, which the next one replaces until ten seconds are full
      const last = unix.length - 1;
      const at = last > 0 && report.unix - unix[last - 1] < SAMPLE_SECONDS ? last : last + 1;
      unix[at] = report.unix;
      all[at] = report.streams;
      for (const line of lines) line.streams[at] = report.branches.find(({ branch_id: id }) => id === line.id)?.streams ?? 0;
      if (errors) failed[at] = report.machine.failed;
      while (unix.length && unix[0] < report.unix - KEPT_SECONDS) [unix, all, failed, ...lines.map((line) => line.streams)].forEach((column) => column.shift());
      if (choose()) {
        draw();
      } else {
        plot.setData(streams());
        errorPlot?.setData(wrong());
      }
      tell();
    },
  });

  function tell() {
    if (!all.length) return;
    const each = drawn.length ? ` ${drawn.map((line) => `${line.name} ${now(line.streams)}`).join(", ")}.` : "";
    words.textContent = `Sekarang ${now(all)} sambungan, paling banyak ${Math.max(...all)} sejak ${clock(unix[0])}.${each}`;
    if (!errors) return;
    const count = failed[failed.length - 1] - failed[0];
    errorWords.textContent = count > 0 ? `${count} galat sejak ${clock(unix[0])}. Galat adalah jawaban dengan kode 500 ke atas.` : `Tidak ada galat sejak ${clock(unix[0])}.`;
  }
}

const time = new Intl.DateTimeFormat("id-ID", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: document.body.dataset.timezone || undefined });
const clock = (unix) => time.format(new Date(unix * 1000)).replace(".", ":");
