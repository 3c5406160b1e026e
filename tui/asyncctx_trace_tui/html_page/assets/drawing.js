// ---- the window ------------------------------------------------------------------------------
const GAP = 8, RULER = 34, NAME = 8, GROUP_ROWS = 6;
const opened = new Set();  // the groups of which all rows are shown
// Okabe and Ito's, then two more, as in the app.
const TASKS = ["#56b4e9", "#e69f00", "#3fbf8f", "#f0e442", "#cc79a7", "#d55e00", "#8c9eff", "#b0bec5"];
const $ = id => document.getElementById(id);
const canvas = $("lanes"), pen = canvas.getContext("2d"), scroll = $("scroll"), tip = $("tip");
let left = 0, perPixel = 1, width = 0, names = 0;
let chosen = null, chosenWait = null, wanted = "", shown = null;  // shown: numbers of lanes, null for all
let lines = [], rowHeight = 18, down = 0, pointed = null;  // down: how far the lanes are scrolled
const xOf = at => names + (at - left) / perPixel;
const timeOf = x => left + (x - names) * perPixel;
function fit(first, last) {
  const room = (last - first) * 0.01 || 1;
  left = first - room;
  perPixel = (last - first + 2 * room) / Math.max(1, width - names);
  draw();
}
function zoom(factor, at) {
  const next = Math.min(Math.max(perPixel * factor, 1e-3), (data.end + 1) / 50);
  left = at - (at - left) * next / perPixel;
  perPixel = next;
  draw();
}
let wholeHeight = 0;
function layOut() {
  lines = [];
  const visible = [], hidden = new Map();  // group -> the number of rows that are not shown
  for (const number of shown ?? lanes.keys()) {
    const { group } = lanes[number], rows = group ? hidden.get(group) ?? -GROUP_ROWS : -1;
    if (group) hidden.set(group, rows + 1);
    if (rows < 0 || opened.has(group)) visible.push(number);
  }
  // Where there is room, bars are thicker.
  const tracks = visible.reduce((sum, number) => sum + Math.max(1, lanes[number].tracks.length), 0);
  const room = scroll.clientHeight - RULER - GAP * (visible.length + 1);
  rowHeight = Math.max(18, Math.min(30, Math.floor(room / Math.max(1, tracks))));
  let y = RULER + GAP / 2;
  visible.forEach((number, i) => {
    const { tracks, label, group } = lanes[number], following = visible[i + 1];
    for (let depth = 0; depth < Math.max(1, tracks.length); depth++, y += rowHeight)
      lines.push({ lane: number, track: tracks[depth] ?? track(), depth, y });
    // Rows of one group stand close together: only the first has a name.
    y += label ? GAP : 2;
    if (!group || hidden.get(group) <= 0 || lanes[following]?.group === group) return;
    const what = opened.has(group) ? "show fewer" : `${hidden.get(group).toLocaleString("en")} more rows`;
    lines.push({ lane: number, more: `${what} of ${group}`, y });
    y += rowHeight + GAP;
  });
  wholeHeight = y + GAP;
}
// The first of the lines, which are in order, that ends below `y`.
function firstBelow(y) {
  let low = 0, high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].y + rowHeight <= y) low = middle + 1; else high = middle;
  }
  return low;
}
const lineOf = row => lines.find(
  line => line.lane === data.tasks.lane[data.rows.task[row]] && line.depth === data.rows.depth[row]);

// ---- drawing ---------------------------------------------------------------------------------
let ink = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["back", "panel", "text", "faint", "line", "wait", "hold", "cleanup", "problem", "await"])
    ink[name] = style.getPropertyValue("--" + name).trim();
  ink.phases = [pattern(ink.wait, "dots"), ink.hold, pattern(ink.cleanup, "hatch")];
}
function pattern(colour, kind) {
  const tile = document.createElement("canvas"), p = tile.getContext("2d");
  tile.width = tile.height = 4;
  p.fillStyle = p.strokeStyle = colour;
  if (kind === "dots") { p.fillRect(0, 0, 2, 2); p.fillRect(2, 2, 2, 2); }
  else { p.lineWidth = 1.6; p.beginPath(); p.moveTo(-1, 5); p.lineTo(5, -1); p.moveTo(1, 7);
         p.lineTo(7, 1); p.moveTo(-3, 3); p.lineTo(3, -3); p.stroke(); }
  return pen.createPattern(tile, "repeat");
}
let longest = 4;
function draw() {
  layOut();
  const scale = window.devicePixelRatio || 1, height = scroll.clientHeight;
  $("space").style.height = Math.max(0, wholeHeight - height) + "px";
  width = scroll.clientWidth;
  names = Math.min(longest * NAME + 24, width / 4);
  down = scroll.scrollTop;
  canvas.width = width * scale; canvas.height = height * scale;
  canvas.style.width = width + "px"; canvas.style.height = height + "px";
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.font = getComputedStyle(document.body).font;
  pen.textBaseline = "middle";
  drawRuler(height);
  pen.save();
  pen.beginPath(); pen.rect(0, RULER, width, height - RULER); pen.clip();
  drawStalls(height);
  pen.translate(0, -down);
  for (let i = firstBelow(down + RULER); i < lines.length && lines[i].y < down + height; i++) drawLine(lines[i]);
  drawOutline();
  drawArrow();
  pen.restore();
  if (!lines.length) {
    pen.fillStyle = ink.faint;
    pen.fillText(wanted ? `no match: no task or resource is named “${wanted}”` : "nothing was recorded",
                 names + 12, RULER + 24);
  }
  drawPointer(height);
}
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];
function stepFor(pixels) {
  const least = perPixel * pixels;
  if (least > 1e9) return (STEPS.find(step => step * 1e9 >= least) ?? 86400) * 1e9;
  let step = 1;
  for (let i = 0; step < least; i++) step = [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3);
  return step;
}
function drawRuler(height) {
  const step = stepFor(110);
  for (let at = Math.ceil(Math.max(left, 0) / step) * step; xOf(at) < width; at += step) {
    const x = Math.round(xOf(at)) + 0.5;
    pen.strokeStyle = ink.line;
    pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, height); pen.stroke();
    pen.fillStyle = ink.faint;
    pen.fillText(moment(at, step), x + 4, (RULER + 8) / 2);
  }
  // All of the run in one strip: the window, and the findings.
  const full = width - names, place = at => names + Math.min(Math.max(at / (data.end || 1), 0), 1) * full;
  pen.fillStyle = ink.line;
  pen.fillRect(names, 2, full, 5);
  pen.fillStyle = ink.hold;
  pen.fillRect(place(left), 2, Math.max(3, place(timeOf(width)) - place(left)), 5);
  for (const [at, severity] of page.findings) {
    if (at < 0) continue;
    pen.fillStyle = severity === "error" ? ink.problem : ink.wait;
    pen.fillRect(place(at) - 1, 1, 3, 7);
  }
}
function drawPointer(height) {
  if (pointed === null || pointed < names) return;
  const words = moment(timeOf(pointed), Math.max(1, perPixel)), room = pen.measureText(words).width + 10;
  const x = Math.min(pointed, width - room);
  pen.strokeStyle = pen.fillStyle = ink.text;
  pen.globalAlpha = 0.35;
  pen.beginPath(); pen.moveTo(pointed + 0.5, RULER); pen.lineTo(pointed + 0.5, height); pen.stroke();
  pen.globalAlpha = 1;
  pen.fillStyle = ink.panel;
  pen.fillRect(x, 10, room, RULER - 12);
  pen.fillStyle = ink.text;
  pen.fillText(words, x + 5, (RULER + 8) / 2);
}
function drawStalls(height) {
  pen.fillStyle = ink.problem;
  for (const [from, to] of page.stalls) {
    const x = Math.max(names, xOf(from)), end = Math.min(width, xOf(to));
    if (end < names || x > width) continue;
    pen.globalAlpha = 0.16;
    pen.fillRect(x, RULER, Math.max(1, end - x), height - RULER);
    pen.globalAlpha = 1;
    pen.fillRect(x, RULER, Math.max(1, end - x), 3);
  }
}
function drawLine({ lane, track, depth, more, y }) {
  if (more) {
    pen.fillStyle = ink.faint;
    pen.fillText(`▸ ${more}`, 12, y + rowHeight / 2 + 1);
    return;
  }
  const { label, group, tasks } = lanes[lane];
  pen.save();
  pen.beginPath(); pen.rect(names, y, width - names, rowHeight); pen.clip();
  if (!depth && tasks.length === 1) {
    const from = data.tasks.first[tasks[0]], to = data.tasks.ended[tasks[0]];
    pen.fillStyle = ink.line;
    pen.fillRect(xOf(from), y + rowHeight / 2, xOf(to < 0 ? data.end : to) - xOf(from), 1);
  }
  drawPhases(track, depth, y);
  if (!depth) drawWaits(lane, track, y);
  drawProblems(track, y);
  pen.restore();
  if (depth) return;
  if (!tasks.length) {
    pen.fillStyle = ink.faint;
    pen.fillText(label, 4, y + rowHeight / 2 + 1);
    return;
  }
  const mine = chosen !== null && data.tasks.lane[data.rows.task[chosen]] === lane;
  if (mine) { pen.fillStyle = ink.panel; pen.fillRect(0, y, names - 4, rowHeight); }
  pen.fillStyle = TASKS[(group ? page.lanes.findIndex(each => each[1] === group) : lane) % TASKS.length];
  pen.fillRect(4, y + 3, 3, rowHeight - 6);
  pen.fillStyle = ink.text;
  pen.fillText(shorten(label, names - 22), 12, y + rowHeight / 2 + 1);
}
function drawPhases(track, depth, y) {
  const top = y + 2, tall = rowHeight - 4;
  let x = names;
  while (x < width) {
    const at = timeOf(x), index = indexAt(track.starts, at), [phase, until] = stateAt(track, index, at);
    const slice = phase < 0 ? nextSlice(track.slices, at) : NEVER;
    const end = Math.min(xOf(Math.min(until, Math.max(slice, at))), width);
    if (end - x >= 1) {
      if (phase >= 0) {
        pen.fillStyle = ink.phases[phase];
        pen.globalAlpha = depth % 2 && phase === 1 ? 0.8 : 1;  // bars that touch are told apart
        pen.fillRect(x, top, end - x, tall);
        pen.globalAlpha = 1;
        drawLabel(track.rows[index], phase, x, end, y);
      }
      // A fraction of a pixel is left to the column that shares it.
      x = end >= width ? width : Math.max(x + 1, Math.floor(end));
      continue;
    }
    drawColumn(track, x, top, tall);
    x += 1;
  }
}
// One pixel of time: the shares of the phases, the body at the bottom.
function drawColumn(track, x, top, tall) {
  let from = top + tall;
  for (const part of [1, 2, 0]) {
    const share = (elapsed(track, timeOf(x + 1), part) - elapsed(track, timeOf(x), part)) / perPixel;
    if (share <= 0) continue;
    const high = Math.max(1, Math.min(1, share) * tall);
    pen.fillStyle = [ink.wait, ink.hold, ink.cleanup][part];
    pen.fillRect(x, Math.max(top, from - high), 1, high);
    from -= high;
  }
}
function drawWaits(lane, track, y) {
  const mine = lanes[lane].waits;
  let x = names;
  while (x < width) {
    const at = timeOf(x), index = indexAt(mine.starts, at);
    let start = x, end = x;
    if (index >= 0 && at < endOfWait(mine, index)) end = xOf(endOfWait(mine, index));
    else if (index + 1 < mine.starts.length && xOf(mine.starts[index + 1]) < width)
      start = x = Math.max(x, Math.floor(xOf(mine.starts[index + 1])));
    else break;
    const which = end > start ? index : index + 1, wait = mine.rows[which];
    end = Math.min(width, Math.max(start + 1, xOf(endOfWait(mine, which))));
    pen.fillStyle = wait === chosenWait ? ink.text : isUnaided(wait) ? ink.faint : ink.await;
    pen.fillRect(start, y + rowHeight - 4, end - start, 3);
    const room = end - start - 8, middle = timeOf((start + end) / 2);
    if (room > 60 && stateAt(track, indexAt(track.starts, middle), middle)[0] < 0)
      pen.fillText(shorten(waitText(wait), room), start + 4, y + rowHeight / 2 - 1);
    x = Math.max(x + 1, Math.floor(end));
  }
  drawShortWaits(track.slices, y);
}
function drawShortWaits(slices, y) {
  if (!slices) return;
  const last = timeOf(width);
  let column = -1, share = 0;
  pen.fillStyle = ink.await;
  for (let i = Math.max(0, indexAt(slices.at, left)); i < slices.at.length && slices.at[i] < last; i++) {
    share = slices.shares[3][i] / 255;
    const x = Math.max(names, Math.floor(xOf(slices.at[i]))), end = xOf(slices.at[i] + page.sums.width);
    if (!share || x === column) continue;
    column = x;
    pen.globalAlpha = 0.25 + 0.75 * share;
    pen.fillRect(x, y + rowHeight - 4, Math.max(1, end - x), 3);
  }
  pen.globalAlpha = 1;
}
function drawLabel(row, phase, x, end, y) {
  if (end - x < 40) return;
  const name = shorten(data.resources[data.rows.resource[row]][0], end - x - 10);
  if (phase !== 1) {
    pen.fillStyle = ink.back;
    pen.fillRect(x + 3, y + 2, pen.measureText(name).width + 6, rowHeight - 4);
  }
  pen.fillStyle = phase === 1 ? ink.back : phase ? ink.cleanup : ink.wait;
  pen.fillText(name, x + 6, y + rowHeight / 2 + 1);
}
function drawProblems(track, y) {
  const { rows } = data, last = timeOf(width);
  let before = -9;
  for (let i = Math.max(0, indexAt(track.starts, left) - 1); i < track.rows.length; i++) {
    const row = track.rows[i];
    if (track.starts[i] > last) break;
    [rows.entered, rows.leaving, rows.left].forEach((times, phase) => {
      const how = outcome(row, phase);
      if (how < 2 || times[row] < 0) return;
      const x = xOf(times[row]);
      if (x - before < 4 || x < names) return;
      before = x;
      pen.fillStyle = ink.back;
      pen.fillRect(x - 5, y + 3, 10, rowHeight - 6);
      pen.fillStyle = ink.problem;
      pen.fillText({ 2: "✗", 3: "⊘", 4: "◷" }[how], x - 4, y + rowHeight / 2 + 1);
    });
  }
}
function drawOutline() {
  const line = chosen === null ? null : lineOf(chosen);
  if (!line) return;
  const [from, , , to] = edges(chosen), x = Math.max(names, xOf(from));
  const end = Math.min(xOf(Math.min(to, data.end)), width + 2);
  if (end <= names) return;
  pen.strokeStyle = ink.text;
  pen.lineWidth = 2;
  pen.strokeRect(x, line.y + 1, Math.max(2, end - x), rowHeight - 2);
  pen.lineWidth = 1;
}
// From the acquisition that let the chosen one in.
function drawArrow() {
  const source = chosen === null ? -1 : data.rows.unblocker[chosen];
  const from = source < 0 ? null : lineOf(source), to = source < 0 ? null : lineOf(chosen);
  if (!from || !to) return;
  const x = xOf(data.rows.entered[chosen]), lower = to.y > from.y;
  pen.strokeStyle = pen.fillStyle = ink.text;
  pen.beginPath(); pen.moveTo(x, from.y + rowHeight / 2);
  pen.lineTo(x, to.y + (lower ? 0 : rowHeight)); pen.stroke();
  const tipY = to.y + (lower ? 4 : rowHeight - 4), back = lower ? -7 : 7;
  pen.beginPath(); pen.moveTo(x, tipY); pen.lineTo(x - 4, tipY + back); pen.lineTo(x + 4, tipY + back);
  pen.fill();
}
function shorten(text, room) {
  if (pen.measureText(text).width <= room) return text;
  const fits = Math.max(1, Math.floor(room / pen.measureText("m").width) - 1);
  return text.slice(0, Math.ceil(fits / 2)) + "…" + (fits > 1 ? text.slice(-Math.floor(fits / 2)) : "");
}
