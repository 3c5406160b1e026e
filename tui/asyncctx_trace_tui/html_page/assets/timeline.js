// ---- the timeline: for each lane and depth, sums that make every zoom exact -------------------
const NEVER = Infinity, OK = 1;
const data = { lanes: page.lanes, resources: page.resources, end: page.end };
let lanes = [];  // {label, group, tracks: by depth, waits: Track, tasks: indexes}

async function readTimeline() {
  const [names, tasks, rows, waits] = await Promise.all(
    [unpackText(page.taskNames), unpack(page.tasks), unpack(page.rows), unpack(page.waits)]);
  Object.assign(data, { names, tasks, rows, waits });
  runningSums(rows.started);
  runningSums(waits.started);
  const after = (start, length) => start < 0 || length < 0 ? -1 : start + length;
  const ended = (from, lengths) => from.map((start, i) => after(start, lengths[i]));
  rows.entered = ended(rows.started, rows.waited);
  rows.leaving = ended(rows.entered, rows.held);
  rows.left = ended(rows.leaving, rows.cleaned);
  waits.ended = ended(waits.started, waits.length);
  lanes = page.lanes.map(([label, group]) => ({ label, group, tracks: [], waits: track(), tasks: [] }));
  names.forEach((_, task) => lanes[tasks.lane[task]]?.tasks.push(task));
  for (let row = 0; row < rows.task.length; row++) trackOf(tasks.lane[rows.task[row]], rows.depth[row]).rows.push(row);
  for (let wait = 0; wait < waits.task.length; wait++) lanes[tasks.lane[waits.task[wait]]].waits.rows.push(wait);
  for (const lane of lanes) {
    for (const each of lane.tracks) each.starts = Float64Array.from(each.rows, row => rows.started[row]);
    addChildren(lane);
  }
  if (page.sums) await readSums();
}
const track = () => ({ rows: [], starts: [], sums: null, slices: null });
function trackOf(lane, depth) {
  const tracks = lanes[lane].tracks;
  while (tracks.length <= depth) tracks.push(track());
  return tracks[depth];
}
const isGroup = row => data.resources[data.rows.resource[row]][1] === "task group";
const outcome = (row, phase) => data.rows.outcomes[row] >> 3 * phase & 7;
const isSuppressed = row => data.rows.outcomes[row] >> 9 & 1;

// The exit of a task group is a wait for its children: as a wait it is the row's number below zero.
function addChildren(lane) {
  const { rows, waits } = data, start = wait => wait < 0 ? rows.leaving[~wait] : waits.started[wait];
  for (const each of lane.tracks)
    for (const row of each.rows) if (isGroup(row) && rows.leaving[row] >= 0) lane.waits.rows.push(~row);
  lane.waits.rows.sort((a, b) => start(a) - start(b));
  lane.waits.starts = Float64Array.from(lane.waits.rows, start);
}
const childrenOf = wait => wait < 0;
const waitTask = wait => childrenOf(wait) ? data.rows.task[~wait] : data.waits.task[wait];
const waitEnd = wait => childrenOf(wait) ? data.rows.left[~wait] : data.waits.ended[wait];
const waitText = wait => childrenOf(wait) ? "the children of the task group" : page.subjects[data.waits.subject[wait]];
const isUnaided = wait => !childrenOf(wait) && data.waits.unaided[wait];

async function readSums() {
  const columns = await unpack(page.sums.slices), count = columns.slice.length;
  for (let first = 0; first < count;) {
    let last = first;
    while (last < count && columns.track[last] === columns.track[first]) last++;
    const [lane, depth] = page.sums.tracks[columns.track[first]];
    const at = Float64Array.from(columns.slice.subarray(first, last), slice => slice * page.sums.width);
    trackOf(lane, depth).slices = {
      at,
      shares: ["waited", "held", "cleaned", "awaited"].map(name => columns[name].subarray(first, last)),
      before: ["waited", "held", "cleaned", "awaited"].map(
        name => sumsBefore(columns[name].subarray(first, last), page.sums.width / 255)),
    };
    first = last;
  }
}
function sumsBefore(values, unit) {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i] + values[i] * unit;
  return sums;
}

// Start, and the ends of enter, body and exit.
function edges(row) {
  const { started, entered, leaving, left } = data.rows, t0 = started[row], t1 = entered[row];
  const t2 = leaving[row], t3 = left[row];
  if (t1 < 0) return [t0, NEVER, NEVER, NEVER];
  if (outcome(row, 0) !== OK) return [t0, t1, t1, t1];
  if (isGroup(row)) return [t0, t1, t3 < 0 ? NEVER : t3, t3 < 0 ? NEVER : t3];
  return [t0, t1, t2 < 0 ? NEVER : t2, t3 < 0 ? NEVER : t3];
}
function indexAt(starts, at) {
  let low = 0, high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= at) low = middle + 1; else high = middle;
  }
  return low - 1;
}
const endOfWait = (waits, index) => {
  const end = waitEnd(waits.rows[index]), next = waits.starts[index + 1];
  return Math.min(end < 0 ? data.end : end, next === undefined ? NEVER : next, data.end);
};
function waitAt(lane, at) {
  const index = indexAt(lane.waits.starts, at);
  return index >= 0 && at < endOfWait(lane.waits, index) ? lane.waits.rows[index] : null;
}
// The ns that the track spent in `phase` until `at`; 3 is waiting for other things.
function elapsed(track, at, phase) {
  if (phase < 3 && !track.sums) addSums(track);
  const until = Math.min(at, data.end), index = phase < 3 ? indexAt(track.starts, at) : -1;
  let spent = 0;
  if (index >= 0) {
    const e = edges(track.rows[index]);
    spent = track.sums[phase][index] + Math.max(0, Math.min(until, e[phase + 1]) - e[phase]);
  }
  return spent + elapsedInSlices(track.slices, until, phase);
}
function elapsedInSlices(slices, at, phase) {
  if (!slices) return 0;
  const index = indexAt(slices.at, at), width = page.sums.width;
  if (index < 0) return 0;
  const part = Math.min(at - slices.at[index], width);
  return slices.before[phase][index] + slices.shares[phase][index] / 255 * part;
}
function addSums(track) {
  const count = track.rows.length, sums = [0, 1, 2].map(() => new Float64Array(count));
  for (let i = 0; i + 1 < count; i++) {
    const e = edges(track.rows[i]), until = Math.min(track.starts[i + 1], data.end);
    for (let phase = 0; phase < 3; phase++)
      sums[phase][i + 1] = sums[phase][i] + Math.max(0, Math.min(until, e[phase + 1]) - e[phase]);
  }
  track.sums = sums;
}
// The phase at a time, -1 for none, and until when it lasts.
function stateAt(track, index, at) {
  const next = index + 1 < track.starts.length ? track.starts[index + 1] : NEVER;
  if (index < 0 || at >= data.end) return [-1, next];
  const e = edges(track.rows[index]);
  for (let phase = 0; phase < 3; phase++)
    if (at < e[phase + 1]) return [phase, Math.min(e[phase + 1], data.end)];
  return [-1, next];
}
// Where the next slice with short acquisitions begins; `at` itself inside of one.
function nextSlice(slices, at) {
  if (!slices) return NEVER;
  const index = indexAt(slices.at, at);
  if (index >= 0 && at < slices.at[index] + page.sums.width) return at;
  return index + 1 < slices.at.length ? slices.at[index + 1] : NEVER;
}
// The row of a resource that was waited for or held at a time, or else its longest wait.
function rowOfResource(resource, at) {
  const rows = data.rows;
  let best = -1, longest = -1;
  for (let row = 0; row < rows.task.length; row++) {
    if (rows.resource[row] !== resource) continue;
    const end = rows.entered[row] < 0 ? data.end : rows.entered[row];
    const covers = at >= 0 && rows.started[row] <= at && at <= end ? data.end : 0;
    if (covers + end - rows.started[row] > longest) [best, longest] = [row, covers + end - rows.started[row]];
  }
  return best;
}
