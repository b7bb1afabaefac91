"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const rowsAtOnce = 200;
const rows = document.getElementById("rows");
const more = document.getElementById("more");
const shown = make("span");
shown.id = "shown";
const filters = new Map();
let matching = [];

// Text reaches the page through textContent only: what a model wrote is never read as HTML.
function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function spell(outcome) {
  return outcome.replaceAll("_", " ") || "not scored";
}

function badge(outcome, text) {
  return make("span", data.outcomes.includes(outcome) ? `badge ${outcome}` : "badge", text);
}

function addFilter(name, title, control) {
  const initial = new URLSearchParams(location.hash.slice(1)).get(name);
  if (initial !== null && (control.tagName !== "SELECT" || [...control.options].some((option) => option.value === initial)))
    control.value = initial;
  const label = make("label", "", title);
  label.append(control);
  control.addEventListener("input", apply);
  filters.set(name, control);
  document.getElementById("filters").append(label);
}

function choices(options) {
  const select = make("select");
  for (const [value, text] of [["", "all"], ...options]) select.add(new Option(text, value));
  return select;
}

function outcomeChoices(model) {
  const known = data.outcomes.filter((outcome) => data.problems.some((problem) => outcome in problem.answers[model].outcomes));
  return choices([...known.map((outcome) => [outcome, spell(outcome)]), ["failed", "all but passed"]]);
}

// Behind each outcome: how many samples have it among the problems that the other kinds of filters leave.
function countOutcomes(model, problems) {
  for (const option of filters.get(`outcome${model + 1}`).options) {
    if (!data.outcomes.includes(option.value)) continue;
    const count = problems.reduce((sum, problem) => sum + (problem.answers[model].outcomes[option.value] ?? 0), 0);
    option.textContent = `${spell(option.value)} (${count})`;
  }
}

function hasOutcome(answer, wanted) {
  const outcomes = Object.keys(answer.outcomes);
  if (wanted === "failed") return outcomes.some((outcome) => outcome !== "passed");
  return wanted === "" || outcomes.includes(wanted);
}

function apply() {
  const wanted = new Map([...filters].map(([name, control]) => [name, control.value]));
  const state = new URLSearchParams([...wanted].filter(([, value]) => value));
  history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
  const text = wanted.get("text").toLowerCase();
  const chosen = data.problems.filter((problem) =>
    (!wanted.get("language") || problem.language === wanted.get("language")) &&
    (!wanted.get("benchmark") || problem.benchmark === wanted.get("benchmark")) &&
    (!text || `${problem.key}\n${problem.prompt}`.toLowerCase().includes(text)));
  data.models.forEach((name, model) => countOutcomes(model, chosen));
  matching = chosen.filter((problem) => problem.answers.every((answer, model) => hasOutcome(answer, wanted.get(`outcome${model + 1}`))));
  shown.textContent = `${matching.length.toLocaleString("en")} of ${data.problems.length.toLocaleString("en")} problems`;
  rows.replaceChildren();
  addRows();
  if (matching.length === 1) rows.firstElementChild.open = true;
}

function addRows() {
  const from = rows.childElementCount;
  rows.append(...matching.slice(from, from + rowsAtOnce).map(row));
  const left = matching.length - rows.childElementCount;
  more.hidden = left === 0;
  more.textContent = `show ${Math.min(left, rowsAtOnce)} more of ${left}`;
}

function row(problem) {
  const details = make("details", "problem");
  const summary = make("summary");
  summary.append(make("span", "id", problem.id), make("span", "", data.languages[problem.language]), make("span", "note", problem.benchmark));
  for (const [model, answer] of problem.answers.entries()) {
    const cell = make("span", "outcome");
    cell.dataset.model = data.models[model];
    const outcomes = Object.entries(answer.outcomes);
    for (const [outcome, count] of outcomes)
      cell.append(badge(outcome, answer.num_samples > 1 ? `${spell(outcome)} ${count}` : spell(outcome)));
    if (!outcomes.length) cell.append(badge("", answer.samples.length ? "not scored" : "no answer"));
    summary.append(cell);
  }
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(body(problem));
  });
  return details;
}

function body(problem) {
  const element = make("div", "body");
  if (problem.flag) element.append(make("p", "bad", `These tests prove nothing: ${problem.flag}`));
  const models = make("div", "models");
  problem.answers.forEach((answer, model) => {
    const column = make("div");
    if (data.models.length > 1) column.append(make("h2", "", data.models[model]));
    for (const sample of answer.samples) column.append(...program(problem, sample, answer.num_samples > 1));
    const hidden = answer.num_samples - answer.samples.length;
    if (hidden > 0) column.append(make("p", "note", `${hidden} more sample${hidden > 1 ? "s are" : " is"} in samples.jsonl`));
    if (!answer.samples.length) column.append(make("p", "note", "no answer"));
    models.append(column);
  });
  const tests = make("details", "tests");
  tests.append(make("summary", "", "the tests"), make("pre", "", problem.tests));
  element.append(models, tests);
  return element;
}

function program(problem, sample, isNumbered) {
  const head = make("div");
  if (isNumbered) head.append(make("span", "note", `sample ${sample.sample} `));
  head.append(badge(sample.outcome, spell(sample.outcome)));
  if (sample.outcome && sample.outcome !== "passed") head.append(make("span", "note", `while ${sample.stage === "compile" ? "compiling" : "running"} `));
  if (sample.finish === "length") head.append(make("span", "note", "· cut off: it reached the longest length allowed"));
  const code = make("pre");
  code.append(make("span", "prompt", problem.prompt), make("span", "written", sample.completion));
  const parts = sample.output ? [head, code, make("pre", "output", sample.output)] : [head, code];
  if (sample.said) {
    const said = make("details", "tests");
    said.append(make("summary", "", "all that it answered"), make("pre", "", sample.said));
    parts.push(said);
  }
  return parts;
}

addFilter("language", "language", choices(Object.entries(data.languages)));
addFilter("benchmark", "benchmark", choices([...new Set(data.problems.map((problem) => problem.benchmark))].map((name) => [name, name])));
data.models.forEach((name, model) => addFilter(`outcome${model + 1}`, `outcome of ${name}`, outcomeChoices(model)));
const search = make("input");
search.type = "search";
search.placeholder = "in name or prompt";
addFilter("text", "find", search);
document.getElementById("filters").append(shown);
const head = document.getElementById("head");
head.append(...["problem", "language", "benchmark", ...data.models].map((title) => make("span", "", title)));
more.addEventListener("click", addRows);
window.addEventListener("hashchange", () => location.reload());
apply();
