// ---- mouse and keys --------------------------------------------------------------------------
function placeAt(event) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left;
  if (event.clientY - box.top < RULER) return null;
  const y = event.clientY - box.top + down, line = lines[firstBelow(y)];
  if (!line || y < line.y) return null;
  const { lane, depth, track, more } = line;
  if (more) return { more: lanes[lane].group };
  if (x < names) return { lane, depth, row: null };
  const at = timeOf(x), index = indexAt(track.starts, timeOf(x + 1));
  if (index < 0) return { lane, depth, row: null, at };
  const row = track.rows[index];
  return { lane, depth, row: timeOf(x - 1) < edges(row)[3] ? row : null, at };
}
let drag = null;
canvas.addEventListener("wheel", event => {
  const x = event.clientX - canvas.getBoundingClientRect().left;
  if (x < names) return;
  event.preventDefault();
  if (event.shiftKey) { left += event.deltaY * perPixel; draw(); }
  else zoom(event.deltaY > 0 ? 1.25 : 0.8, timeOf(x));
}, { passive: false });
canvas.addEventListener("pointerdown", event => {
  drag = { x: event.clientX, left, moved: false };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", event => {
  if (drag) {
    drag.moved = drag.moved || Math.abs(event.clientX - drag.x) > 2;
    left = drag.left - (event.clientX - drag.x) * perPixel;
    draw();
    return;
  }
  const place = placeAt(event), found = place?.more ? null : place;
  canvas.style.cursor = place?.more ? "pointer" : "";
  pointed = event.clientX - canvas.getBoundingClientRect().left;
  draw();
  tip.style.display = found ? "block" : "none";
  if (!found) return;
  tip.textContent = describePlace(found);
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 4) + "px";
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4) + "px";
});
canvas.addEventListener("pointerup", event => {
  if (drag && !drag.moved) select(placeAt(event));
  drag = null;
});
function select(found) {
  if (found?.more) {
    if (!opened.delete(found.more)) opened.add(found.more);
  } else {
    chosen = found ? found.row : null;
    chosenWait = found && found.at !== undefined ? waitAt(lanes[found.lane], found.at) : null;
  }
  draw();
}
canvas.addEventListener("pointerleave", () => {
  tip.style.display = "none";
  pointed = null;
  draw();
});
document.addEventListener("keydown", event => {
  if (event.target.tagName === "INPUT") {
    if (event.key === "Escape") { search(""); canvas.focus(); }
    return;
  }
  const middle = timeOf((names + width) / 2), step = (width - names) * perPixel / 8;
  const act = {
    "+": () => zoom(0.5, middle), "=": () => zoom(0.5, middle), "-": () => zoom(2, middle),
    w: () => zoom(0.5, middle), s: () => zoom(2, middle),
    ArrowLeft: () => { left -= step; draw(); }, ArrowRight: () => { left += step; draw(); },
    a: () => { left -= step; draw(); }, d: () => { left += step; draw(); },
    f: () => fit(0, data.end), F: () => fit(0, data.end), Home: () => { left = 0; draw(); },
    End: () => { left = data.end - (width - names) * perPixel; draw(); },
    Escape: () => { chosen = chosenWait = null; draw(); },
    "/": () => $("search").focus(),
  }[event.key];
  if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); act(); }
});
$("search").addEventListener("input", event => search(event.target.value));
$("clock").addEventListener("click", () => {
  timeOfDay = !timeOfDay;
  $("clock").textContent = timeOfDay ? "time since start" : "time of day";
  draw();
});
$("colours").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  readColours();
  draw();
});

async function start() {
  $("title").textContent = page.title || "asyncctx-trace";
  document.title = (page.title ? page.title + " · " : "") + "asyncctx-trace";
  if (page.clock === null) $("clock").remove();
  await readTimeline();
  longest = Math.max(4, ...new Set(lanes.map(({ label }) => Math.min(label.length, 26))));
  const left_out = [];
  if (page.sums)
    left_out.push(`acquisitions too short to be contained one by one are sums over ` +
                  `${duration(page.sums.width)}; the app shows each`);
  if (page.dropped) left_out.push(`${page.dropped.toLocaleString("en")} acquisitions are missing`);
  if (left_out.length) $("footer").append(` · ${left_out.join(" · ")}`);
  showOverview();
  showTabs();
  readColours();
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => { readColours(); draw(); });
  new ResizeObserver(() => draw()).observe(scroll);
  scroll.addEventListener("scroll", draw);
  draw();
  fit(0, data.end);
  document.body.dataset.ready = "true";
}
start().catch(error => { $("overview").textContent = `this browser cannot show the page: ${error.message}`; });
