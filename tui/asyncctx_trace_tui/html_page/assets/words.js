// ---- words -----------------------------------------------------------------------------------
const WORDS = { 1: "ok", 2: "error", 3: "cancelled", 4: "timed out" };
let timeOfDay = false;

function duration(ns) {
  const size = Math.abs(ns), two = number => String(number).padStart(2, "0");
  if (size >= 6e10) {
    const seconds = Math.round(size / 1e9), minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes} min ${two(seconds % 60)} s`
                        : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  }
  for (const [unit, name] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]])
    if (size >= unit) return +(ns / unit).toPrecision(3) + " " + name;
  return Math.round(ns) + " ns";
}
// A moment, exact to a `step` in ns: 2.5 s, 1:20, 1:02:03, or the time of day.
function moment(at, step) {
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / 1e9) - 1e-9)));
  if (timeOfDay) {
    const date = new Date(page.clock + at / 1e6), two = number => String(number).padStart(2, "0");
    const part = (page.clock * 1e6 + at) % 1e9 / 1e9;
    const fraction = digits ? part.toFixed(digits).slice(1) : "";
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${fraction}`;
  }
  const size = Math.max(0, at);
  if (data.end < 6e10) {
    const units = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
    const [unit, name] = units.find(([ns]) => Math.max(size, step) >= ns) ?? units[3];
    const decimals = Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-9));
    return size ? +(size / unit).toFixed(Math.min(9, decimals)) + " " + name : "0";
  }
  const whole = Math.floor(size / 1e9 + (digits ? 0 : 0.5)), two = number => String(number).padStart(2, "0");
  const fraction = digits ? (size % 1e9 / 1e9).toFixed(digits).slice(1) : "";
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(whole % 60)}${fraction}`;
}
function describeRow(row) {
  const { rows } = data, [resource, kind] = data.resources[rows.resource[row]];
  const said = [`${data.names[rows.task[row]]} · ${resource} (${kind})`, page.sites[rows.site[row]]];
  const times = [rows.started[row], rows.entered[row], rows.leaving[row], rows.left[row]];
  const words = ["waited", "held", isGroup(row) ? "waited for children" : "cleaned up"];
  words.forEach((word, phase) => {
    const from = times[phase], to = times[phase + 1];
    if (from < 0 || (phase && outcome(row, 0) !== OK)) return;
    const over = to >= 0, error = page.errors[`${row}.${phase}`];
    said.push(`${word} ${duration((over ? to : data.end) - from)}` +
      (over ? ` · ${WORDS[outcome(row, phase)]}` : " and did not end") + (error ? `\n  ${error}` : ""));
  });
  if (isSuppressed(row)) said.push("the exit suppressed the error");
  const unblocker = data.rows.unblocker[row];
  if (unblocker >= 0) said.push(`let in by ${data.names[rows.task[unblocker]]}`);
  return said.filter(Boolean).join("\n");
}
function describeWait(wait) {
  const { waits } = data, children = childrenOf(wait), end = waitEnd(wait);
  const start = children ? data.rows.leaving[~wait] : waits.started[wait];
  const ended = children ? outcome(~wait, 2) : waits.outcome[wait], waker = children ? -1 : waits.waker[wait];
  return `${data.names[waitTask(wait)]} waits for ${waitText(wait)}\n` +
    duration((end < 0 ? data.end : end) - start) + (end < 0 ? " and did not end" :
    ` · ${WORDS[ended]}` + (waker < 0 ? "" : `, ended by ${data.names[waker]}`));
}
function describeSlice(slices, at) {
  const index = indexAt(slices.at, at), width = page.sums.width;
  if (index < 0 || at >= slices.at[index] + width) return null;
  const shares = slices.shares.map(each => each[index]);
  const words = ["waiting", "holding", "cleaning up", "waiting for other things"];
  const parts = words.map((word, kind) => shares[kind] && `${word} ${percent(shares[kind] / 255)}`);
  return `short acquisitions, in the ${duration(width)} from ${moment(slices.at[index], width)}:\n` +
    parts.filter(Boolean).join(", ");
}
const percent = share => share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`;
function describePlace({ lane, depth, row, at }) {
  if (at === undefined) return lanes[lane].label;
  const wait = waitAt(lanes[lane], at), track = lanes[lane].tracks[depth];
  const stall = page.stalls.find(
    each => each[2] >= 0 && data.tasks.lane[each[2]] === lane && each[0] <= at && at < each[1]);
  return [row === null ? null : describeRow(row), wait !== null && describeWait(wait),
          row === null && track?.slices && describeSlice(track.slices, at),
          stall && `blocks the event loop for ${duration(stall[1] - stall[0])}: ${stall[3]}`]
    .filter(Boolean).join("\n\n") || lanes[lane].label;
}
