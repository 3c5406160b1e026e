// ---- overview, findings, tables --------------------------------------------------------------
function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}
// Show a moment, and mark an acquisition if there is one.
function go(at, row, wait) {
  chosen = row === undefined || row < 0 ? null : row;
  chosenWait = wait === undefined || wait < 0 ? null : wait;
  if (chosen !== null && !lineOf(chosen)) {
    opened.add(lanes[data.tasks.lane[data.rows.task[chosen]]].group);
    search("");
  }
  if (chosen !== null) {
    const [from, , , to] = edges(chosen), end = Math.min(to, data.end);
    if (at < 0) at = from;
    // A bar that is wider than the window or narrower than a few pixels would not be seen.
    if (end - from > 0.8 * (width - names) * perPixel || (end - from) / perPixel < 8)
      perPixel = Math.max(1e-3, (end - from || 1) * 3 / (width - names));
    at = Math.min(Math.max(at, from), end);
  }
  const lane = chosen !== null ? data.tasks.lane[data.rows.task[chosen]]
             : chosenWait !== null ? data.tasks.lane[data.waits.task[chosenWait]] : -1;
  const line = chosen !== null ? lineOf(chosen) : lines.find(each => each.lane === lane);
  if (line && (line.y < scroll.scrollTop + RULER || line.y + rowHeight > scroll.scrollTop + scroll.clientHeight))
    scroll.scrollTop = line.y - scroll.clientHeight / 2;
  const span = (width - names) * perPixel, room = 0.01 * span;
  left = Math.max(-room, Math.min(Math.max(at, 0) - span / 2, data.end + room - span));
  draw();
}
function showOverview() {
  const place = $("overview");
  page.verdict.forEach((sentence, i) => place.append(element("p", { text: sentence, className: i ? "" : "first" })));
  const health = element("p", { className: "note" });
  page.health.forEach(([text, bad], i) =>
    health.append(i ? " · " : "", element("span", { text, className: bad ? "error" : "" })));
  place.append(health);
  for (const item of page.items) place.append(overviewItem(item));
  if (page.moreItems)
    place.append(element("p", { text: `and ${page.moreItems} more among the findings`, className: "note" }));
}
function overviewItem(item) {
  const words = element("span", { className: "words" },
    element("span", { text: page.verdict.join(" ").includes(item.sentence) ? item.title : item.sentence }));
  if (item.remedy) words.append(element("span", { className: "note", text: `→ ${item.remedy}` }));
  const line = element("button", { className: `place ${item.severity}` }, curve(item), words);
  line.addEventListener("click", () => go(
    item.at, item.row >= 0 || item.resource < 0 ? item.row : rowOfResource(item.resource, item.at)));
  return line;
}
// A small picture of how many tasks waited over time.
function curve({ history, historyOf }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), most = Math.max(1e-9, ...history);
  svg.setAttribute("viewBox", `0 0 ${Math.max(1, history.length)} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  if (!history.length) return svg;
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", "M0,20" + history.map((value, i) => `V${20 - 19 * value / most}H${i + 1}`).join("") + "V20Z");
  const title = document.createElementNS(svg.namespaceURI, "title");
  title.textContent = `${historyOf}, at most ${+most.toPrecision(3)}`;
  svg.append(title, path);
  return svg;
}
const TABS = [
  ["Findings", page.findings.length, showFindings],
  ...page.tables.filter(table => table.lines.length).map(table => [table.title, table.lines.length, place => showTable(place, table)]),
  ["Output", page.printed.length, showOutput],
];
function showTabs() {
  TABS.forEach(([title, count, show], number) => {
    const tab = element("button", { text: count ? `${title} ${count.toLocaleString("en")}` : title });
    tab.setAttribute("role", "tab");
    tab.addEventListener("click", () => openTab(number));
    $("tabs").append(tab);
  });
  openTab(page.findings.length || TABS.length < 3 ? 0 : 1);
}
function openTab(number) {
  [...$("tabs").children].forEach((tab, i) => tab.setAttribute("aria-selected", i === number));
  $("pane").replaceChildren();
  $("pane").scrollTop = 0;
  TABS[number][2]($("pane"));
}
function showLines(place, entries, empty) {
  if (!entries.length) place.append(element("p", { text: empty, className: "note" }));
  for (const [at, kind, text, row] of entries) {
    const line = element("button", { className: "line" },
      element("span", { className: "at", text: at < 0 ? "" : moment(at, Math.max(1, data.end / 1e4)) + "  " }),
      element("span", { className: kind, text }));
    line.addEventListener("click", () => go(at, row));
    place.append(line);
  }
}
function showFindings(place) {
  showLines(place, page.findings.map(([at, severity, kind, text, row]) => [at, severity, `${kind}: ${text}`, row]),
            "no findings");
  if (page.moreFindings) place.append(element("p", { text: `and ${page.moreFindings} more`, className: "note" }));
}
function showOutput(place) {
  if (page.printedBefore)
    place.append(element("p", { text: `${page.printedBefore} earlier lines are left out`, className: "note" }));
  showLines(place, page.printed.map(([at, stream, text]) => [at, stream === "stderr" ? "error" : "", text]),
            "no output was recorded; --headless leaves it on the terminal");
}
function showTable(place, table, by = null, descending = true) {
  const lines = by === null ? table.lines : [...table.lines].sort(([a], [b]) =>
    (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0) * (descending ? -1 : 1));
  const number = column => typeof table.lines[0][0][column] === "number" ? "number" : "";
  const head = element("tr");
  table.columns.forEach((name, column) => {
    const button = element("button", { text: name + (column === by ? (descending ? " ↓" : " ↑") : "") });
    button.addEventListener("click", () => {
      place.replaceChildren();
      showTable(place, table, column, column === by ? !descending : Boolean(number(column)));
    });
    head.append(element("th", { className: number(column) }, button));
  });
  const body = element("tbody");
  for (const [, texts, at, resource, wait] of lines) {
    const line = element("tr", { tabIndex: 0 });
    texts.forEach((text, column) => line.append(element("td", { text, className: number(column) })));
    const open = () => go(at, resource < 0 ? -1 : rowOfResource(resource, at), wait);
    line.addEventListener("click", open);
    line.addEventListener("keydown", event => { if (event.key === "Enter") open(); });
    body.append(line);
  }
  place.append(element("table", {}, element("thead", {}, head), body));
  if (table.more) place.append(element("p", { text: `and ${table.more.toLocaleString("en")} more`, className: "note" }));
}
// ---- search ----------------------------------------------------------------------------------
function search(text) {
  wanted = text.trim();
  if ($("search").value.trim() !== wanted) $("search").value = wanted;
  tip.style.display = "none";
  const lower = wanted.toLowerCase();
  const isResource = data.resources.map(([name]) => name.toLowerCase().includes(lower));
  shown = !wanted ? null : lanes.map((_, number) => number).filter(number => {
    const { label, group, tracks, tasks } = lanes[number];
    return `${label} ${group}`.toLowerCase().includes(lower) ||
      tasks.some(task => data.names[task].toLowerCase().includes(lower)) ||
      tracks.some(track => track.rows.some(row => isResource[data.rows.resource[row]]));
  });
  $("matches").textContent = !wanted ? "" : shown.length
    ? `${shown.length.toLocaleString("en")} of ${lanes.length.toLocaleString("en")} lanes` : "no match";
  scroll.scrollTop = 0;
  draw();
}
