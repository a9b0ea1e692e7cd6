// Sorting, searching, curves, comparison, enlarging and the theme; all on what the pages and data.js hold.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

document.getElementById("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.theme = document.documentElement.dataset.theme = theme;
});

// A button in each heading sorts: numbers from the largest down, texts from A, then the other way; blanks stay last.
const number = text => parseFloat(text.replace(/,(?=\d{3})/g, "").replace("−", "-"));
const isNumber = text => /^[-+−]?[\d,]*\.?\d+(e[-+]?\d+)?\s?%?$/.test(text);
function sortable(table) {
  const body = table.tBodies[0], heads = all("thead th", table);
  heads.forEach((head, column) => {
    const text = row => row.cells[column].textContent.trim(), filled = [...body.rows].filter(text);
    const numeric = filled.length > 0 && filled.every(row => isNumber(text(row)));
    if (numeric) [...body.rows].forEach(row => row.cells[column].classList.add("number"));
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const next = now === "descending" || (!now && !numeric) ? "ascending" : "descending";
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", next);
      const order = next === "ascending" ? 1 : -1;
      const compare = (x, y) => !x || !y ? !x - !y : order * (numeric ? number(x) - number(y) : x.localeCompare(y));
      body.append(...[...body.rows].sort((x, y) => compare(text(x), text(y))));
    });
  });
}
all("table.sortable").forEach(sortable);

function filter(rows, text, of) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  rows.forEach(row => (row.hidden = !words.every(word => of(row).includes(word))));
  return rows.filter(row => !row.hidden).length;
}
const search = document.getElementById("search");
if (search) {
  const rows = all("#list tbody tr"), texts = new Map();
  rows.forEach(row => {
    const { parameters, metrics } = RUNS[row.dataset.id];
    const said = Object.entries(parameters).map(pair => pair.join(": "));
    texts.set(row, [row.textContent, ...said, ...Object.keys(metrics)].join("\n").toLowerCase());
  });
  search.addEventListener("input", () => {
    const hits = filter(rows, search.value, row => texts.get(row));
    document.getElementById("hits").textContent = search.value ? `${hits} of ${rows.length}` : "";
  });
}
all("input.filter").forEach(input => input.addEventListener("input", () =>
  filter(all(`#${input.dataset.for} tr`), input.value, row => row.textContent.toLowerCase())));

const large = document.getElementById("large");
all("a.enlarge").forEach(link => link.addEventListener("click", event => {
  event.preventDefault();
  const image = make("img", { src: link.href, alt: link.querySelector("img").alt });
  large.replaceChildren(large.querySelector("form"), image);
  large.showModal();
}));
large.addEventListener("click", event => event.target === large && large.close());

// One small chart per column of the histories; the same columns of two runs share a chart.
const short = value => Number(value.toPrecision(3)).toString();
function chart(name, lines, step) {
  const points = lines.flat(), [xs, ys] = [0, 1].map(i => points.map(point => point[i]));
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const x = value => 60 + ((value - left) / (right - left || 1)) * 230;
  const y = value => (high > low ? 140 - ((value - low) / (high - low)) * 115 : 82); // what never changes is in the middle
  const paths = lines.map((line, i) => `<path class="${"ab"[i]}" d="M${line.map(([u, v]) => `${x(u).toFixed(1)} ${y(v).toFixed(1)}`).join("L")}"/>`);
  const label = `${name} by ${step}: from ${short(low)} to ${short(high)}`;
  const figure = make("figure");
  figure.innerHTML = `<svg viewBox="0 0 300 170" role="img"><path class="axis" d="M60 20V140H290"/>${paths.join("")}
    <text x="60" y="12"></text><text x="55" y="${y(high) + 3}" text-anchor="end">${short(high)}</text><text x="55" y="${y(low) + 3}" text-anchor="end">${short(low)}</text>
    <text x="60" y="158">${short(left)}</text><text x="290" y="158" text-anchor="end">${step} ${short(right)}</text></svg>`;
  figure.querySelector("svg").setAttribute("aria-label", label);
  figure.querySelector("text").textContent = name.replaceAll("_", " ");
  return figure;
}
function draw(place, runs) {
  const names = new Set(runs.flatMap(run => Object.keys(run.curves)));
  place.append(...[...names].map(name => chart(name, runs.map(run => run.curves[name] || []), runs[0].step || runs[1].step)));
}
all(".curves").forEach(place => draw(place, place.dataset.runs.split(" ").map(id => RUNS[id])));

// compare.html?a=...&b=...: an experiment is profile/name, a whole profile is its name.
const form = document.getElementById("compare");
function side(id) {
  if (RUNS[id]) return RUNS[id];
  const runs = Object.entries(RUNS).filter(([name]) => name.startsWith(`${id}/`)).map(([, run]) => run);
  return runs.length && { parameters: {}, curves: {}, metrics: Object.assign({}, ...runs.map(run => run.metrics)) };
}
const shown = value => value === undefined ? "" : typeof value === "number" ? short(value) : value;
function rows(first, second) {
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  return names.map(name => {
    const [x, y] = [first[name], second[name]], both = typeof x === "number" && typeof y === "number";
    const cells = [name, shown(x), shown(y), both ? short(y - x) : ""].map(cell => make("td", {}, String(cell)));
    return make("tr", x === y ? { class: "same" } : {}, ...cells);
  });
}
function compared(title, first, second, heads) {
  const found = rows(first, second);
  if (!found.length) return [];
  const head = make("tr", {}, ...heads.map(text => make("th", { scope: "col" }, text)));
  const table = make("table", { class: "sortable" }, make("thead", {}, head), make("tbody", {}, ...found));
  sortable(table);
  return [make("h2", {}, title), make("div", { class: "wide" }, table)];
}
function compare() {
  const [a, b] = ["a", "b"].map(name => form.elements[name].value), place = document.getElementById("compared");
  place.replaceChildren();
  if (!a || !b) return;
  history.replaceState(null, "", `?${new URLSearchParams({ a, b })}`);
  const [first, second] = [side(a), side(b)], heads = ["", "A", "B"];
  place.append(make("p", { class: "key" }, "A is ", make("b", {}, a), ", B is ", make("b", {}, b)));
  if (Object.keys({ ...first.curves, ...second.curves }).length) {
    const curves = make("div", { class: "curves" });
    draw(curves, [first, second]);
    place.append(make("h2", {}, "Curves"), curves);
  }
  place.append(...compared("Parameters", first.parameters, second.parameters, [...heads, ""]));
  place.append(...compared("Numbers", first.metrics, second.metrics, [...heads, "B − A"]));
}
if (form) {
  const asked = new URLSearchParams(location.search);
  ["a", "b"].forEach(name => (form.elements[name].value = asked.get(name) || ""));
  form.addEventListener("change", compare);
  compare();
}
