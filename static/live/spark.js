// The last days of a branch as a line: svg[data-past] with two paths, .area and the line itself, as the server draws them
// (src/web/home/spark.rs). Today is its end, and moves.

const TOP = 2;
const BOTTOM = 28;

export function drawSpark(svg, today) {
  const { past } = svg.dataset;
  if (!past) return; // a branch that is new has no line yet
  const amounts = [...past.split(" ").map(Number), today];
  const highest = Math.max(1, ...amounts);
  const step = 100 / (amounts.length - 1);
  const line = `M${amounts.map((amount, place) => `${(place * step).toFixed(1)} ${(BOTTOM - ((BOTTOM - TOP) * amount) / highest).toFixed(1)}`).join("L")}`;
  svg.querySelector("path:not(.area)").setAttribute("d", line);
  svg.querySelector(".area").setAttribute("d", `${line}L100 30L0 30z`);
}
