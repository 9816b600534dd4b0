// Charts of what a run uses: drawn by uPlot from what #meters holds, and again when that has been swapped.
// <div data-chart="tokensIn tokensOut" data-said="in out" data-x="called" data-unit="bytes">
const LINES = ["--accent", "--good"];
const HEIGHT = 180;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
// A whole power of two between marks: bytes are counted in those.
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);
const drawn = new Map();

function bytes(count) {
  let unit = 0;
  for (; Math.abs(count) >= 1024 && unit < UNITS.length - 1; unit += 1) count /= 1024;
  return `${Number(count.toFixed(1))} ${UNITS[unit]}`;
}

const plain = (number) => number.toLocaleString(undefined, { maximumFractionDigits: 3 });
const told = (name) => JSON.parse(document.getElementById("meters").dataset[name]);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function line(label, at, said, few) {
  return {
    label,
    stroke: colour(LINES[at]),
    width: 1.5,
    fill: `color-mix(in srgb, ${colour(LINES[at])} 12%, transparent)`,
    points: { show: few },
    value: (_, value) => (value == null ? "-" : said(value)),
  };
}

function options(place, few) {
  const inBytes = place.dataset.unit === "bytes";
  const said = inBytes ? bytes : plain;
  const rule = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--quiet"), grid: rule, ticks: rule };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    scales: { y: { range: (_, low, high) => [0, high * 1.1 || 1] } },
    axes: [axis, { ...axis, size: 76, values: (_, marks) => marks.map(said), ...(inBytes && { incrs: POWERS }) }],
    series: [{}, ...place.dataset.said.split(" ").map((label, at) => line(label, at, said, few))],
  };
}

function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const values = [place.dataset.x, ...place.dataset.chart.split(" ")].map(told);
    const figure = place.closest("figure");
    if (values[0].length) figure.hidden = false;
    if (figure.hidden) continue;
    const chart = drawn.get(place);
    if (chart && values[0].length > 3) chart.setData(values);
    else {
      chart?.destroy();
      drawn.set(place, new uPlot(options(place, values[0].length < 3), values, place));
    }
  }
}

function again() {
  for (const chart of drawn.values()) chart.destroy();
  drawn.clear();
  draw();
}

draw();
document.body.addEventListener("htmx:afterSettle", (event) => event.target.id === "meters" && draw());
document.documentElement.addEventListener("themechange", again);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
new ResizeObserver(() => {
  for (const [place, chart] of drawn) if (chart.width !== place.clientWidth) chart.setSize({ width: place.clientWidth, height: HEIGHT });
}).observe(document.querySelector(".charts"));
