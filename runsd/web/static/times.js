// Instants in the reader's zone, exact on hover; durations and costs that go on counting.
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** A duration in seconds as people write it; the same words as the pages come with. */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${two(Math.floor(seconds % 60))} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Write all instants below an element. */
export function tell(root) {
  for (const time of root.querySelectorAll?.("time[data-when]") ?? []) {
    const at = new Date(time.dateTime);
    time.textContent = day.format(at) === day.format(new Date()) ? hour.format(at) : clock.format(at);
    time.title = time.dateTime;
  }
  count(root);
}

function count(root = document) {
  for (const time of root.querySelectorAll?.("time[data-since]") ?? []) {
    const seconds = Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000);
    time.textContent = duration(seconds < 60 ? Math.floor(seconds * 10) / 10 : seconds);
    time.title = `since ${time.dateTime}`;
  }
  for (const time of root.querySelectorAll?.("time[data-until]") ?? []) {
    const seconds = Math.max(0, (Date.parse(time.dateTime) - Date.now()) / 1000);
    time.textContent = seconds < 60 ? `${Math.ceil(seconds)} s` : duration(seconds);
    time.title = `until ${time.dateTime}`;
  }
  for (const cost of root.querySelectorAll?.("data[data-per-second]") ?? []) {
    const { billed, perSecond, from, most } = cost.dataset;
    const seconds = Math.min(Number(most), Math.max(0, (Date.now() - Date.parse(from)) / 1000));
    cost.textContent = growing(Number(billed) + Number(perSecond) * seconds);
  }
}

/** A cost that grows, in dollars; the same words as the pages come with. */
function growing(usd) {
  if (usd >= 0.1) return `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return usd > 0 && usd < 0.0001 ? "< $0.0001" : `$${usd.toFixed(4)}`;
}

setInterval(() => document.hidden || count(), 1000);
