// Runs the script of problems.html over the least of a document that it needs, and prints what a reader would see.
// Standard input: {"script", "data", "hash", "steps": [[name of a filter, value], ...]}; printed: one view a step.
"use strict";
class Element {
  constructor(tag) {
    Object.assign(this, { tagName: tag.toUpperCase(), children: [], style: {}, listeners: {}, value: "", text: "", opened: false });
  }
  get textContent() { return this.text + this.children.map((child) => child.textContent).join(""); }
  set textContent(text) { [this.text, this.children] = [String(text), []]; }
  get options() { return this.children; }
  get childElementCount() { return this.children.length; }
  get firstElementChild() { return this.children[0]; }
  get open() { return this.opened; }
  set open(opened) { this.opened = opened; this.dispatch("toggle"); }
  append(...nodes) { this.children.push(...nodes); }
  add(option) { this.children.push(option); }
  replaceChildren() { this.children = []; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  dispatch(name) { this.listeners[name]?.(); }
}
const { script, data, hash, steps } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const byId = {};
const document = {
  createElement: (tag) => new Element(tag),
  getElementById: (id) => (byId[id] ??= new Element("div")),
};
function Option(text, value) { return Object.assign(new Element("option"), { text, value }); }
const location = { hash, pathname: "/problems.html", search: "" };
const history = { replaceState: (state, title, url) => { location.url = url; } };
const window = { addEventListener: () => {} };
document.getElementById("data").textContent = JSON.stringify(data);
const filters = new Function("document", "Option", "location", "history", "window", `${script}; return filters;`)(
  document, Option, location, history, window);
const views = [];
function look() {
  const rows = byId.rows.children;
  const controls = [...filters].map(([name, control]) => [name, control.options.map((option) => option.textContent)]);
  views.push({
    shown: byId.filters.children.at(-1).textContent, url: location.url, more: byId.more.hidden ? "" : byId.more.textContent,
    rows: rows.map((row) => row.textContent), opened: rows.filter((row) => row.open).length, choices: Object.fromEntries(controls),
  });
}
look();
for (const [name, value] of steps) {
  if (name === "more") byId.more.dispatch("click");
  else if (name === "open") byId.rows.children[value].open = true;
  else { filters.get(name).value = value; filters.get(name).dispatch("input"); }
  look();
}
console.log(JSON.stringify(views));
