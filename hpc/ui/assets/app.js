"use strict";
const main = document.getElementById("main"), news = document.getElementById("news");
const SIGNS = {SUCCEEDED: "✓", PARTIAL: "◐", RUNNING: "…", FAILED: "✗", TIMED_OUT: "✗", ABORTED: "■"};
const POINTS = 240;
let about = {allow_changes: false}, stream = null;

// Everything that a run says becomes text; only the graphs, which the server draws and escapes, are parsed.
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter(child => child !== null && child !== undefined));
  return made;
}
const count = value => value === null || value === undefined ? "unknown" : value.toLocaleString("en-US");
const usd = value => value === null || value === undefined ? "unknown"
  : "$" + (value >= 1 ? value.toLocaleString("en-US", {minimumFractionDigits: 2, maximumFractionDigits: 2}) : value === 0 ? "0.0000" : value.toPrecision(value >= 0.1 ? 4 : 2));
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return seconds.toFixed(1) + " s";
  const whole = Math.round(seconds);
  if (whole < 60) return whole + " s";
  if (whole < 3600) return Math.floor(whole / 60) + " min " + whole % 60 + " s";
  return Math.floor(whole / 3600).toLocaleString("en-US") + " h " + Math.floor(whole % 3600 / 60) + " min";
}
const badge = status => make("span", {class: "badge " + status}, (SIGNS[status] || "") + " " + status);
const when = text => text.replace("T", " ").slice(0, 19) + "Z";
function table(head, rows, numbers = []) {
  const kind = place => numbers.includes(place) ? "n" : null;
  return make("div", {class: "scroll", tabindex: "0"}, make("table", {},
    make("thead", {}, make("tr", {}, head.map((text, place) => make("th", {class: kind(place), scope: "col"}, text)))),
    make("tbody", {}, rows.map(row => make("tr", {class: row.kind}, row.cells.map((cell, place) =>
      make("td", {class: kind(place), "data-head": head[place] || null}, cell === null ? "" : cell)))))));
}
function say(text) { if (news.textContent !== text) news.textContent = text; }
async function ask(path, options) {
  const answer = await fetch(path, options);
  const found = answer.headers.get("content-type").startsWith("application/json")
    ? await answer.json() : {problem: await answer.text()};
  if (!answer.ok) throw new Error(found.problem);
  return found;
}
function listen(path, show) {
  stream = new EventSource(path);
  stream.onmessage = event => {
    const found = JSON.parse(event.data);
    say(found.problem || "");
    if (!found.problem) show(found);
  };
  stream.onerror = () => say("hpc ui does not answer: has it ended?");
}

// ---- the list of runs ----
function showRuns() {
  const search = make("input", {type: "search", id: "search", oninput: () => draw()});
  const status = make("select", {id: "status", onchange: () => draw()},
    ["any", ...Object.keys(SIGNS)].map(name => make("option", {value: name}, name)));
  const list = make("div", {id: "runs"}, "looking");
  main.replaceChildren(make("h1", {}, "Runs"), make("div", {class: "bar-line"},
    make("label", {}, "search", search), make("label", {}, "status", status)), list);
  let runs = [];
  function draw() {
    const wanted = search.value.toLowerCase();
    const shown = runs.filter(run => (status.value === "any" || run.status === status.value)
      && [run.name, run.workload, run.note, run.outcome].some(text => (text || "").toLowerCase().includes(wanted)));
    if (!shown.length) {
      list.replaceChildren(make("p", {}, runs.length ? "no run is like that" : "no runs yet: hpc run starts one"));
      return;
    }
    const focused = document.activeElement && document.activeElement.getAttribute("href");
    list.replaceChildren(make("p", {class: "dim"}, count(shown.length) + " of the latest " + count(runs.length)),
      table(["run", "status", "workload", "items", "started", "took", "cost", "result or error"], shown.map(run => ({cells: [
        make("a", {href: "#/run/" + encodeURIComponent(run.execution_arn)}, run.name), badge(run.status),
        [run.workload, run.note && "(" + run.note + ")"].filter(Boolean).join(" "),
        run.items === null ? "" : count(run.items), when(run.started), duration(run.seconds),
        run.usd === null ? "" : usd(run.usd), run.outcome || ""]})), [3, 5, 6]));
    const again = focused && [...list.querySelectorAll("a")].find(link => link.getAttribute("href") === focused);
    if (again) again.focus();
  }
  listen("/api/runs", found => { runs = found.runs; draw(); });
}

// ---- one run ----
function showRun(arn) {
  const query = "?run=" + encodeURIComponent(arn);
  const parts = Object.fromEntries(["head", "actions", "progress", "tiles", "live", "problems", "graphs", "logs"].map(
    name => [name, make("section", {id: "run-" + name})]));
  main.replaceChildren(...Object.values(parts));
  const points = [];
  let graphs = "", problems = "";
  const index = make("input", {type: "text", inputmode: "numeric", pattern: "[0-9]*", size: "8", id: "log-index"});
  const lines = make("pre", {id: "log-lines", tabindex: "0", hidden: true});
  async function showLogs(item) {
    index.value = item;
    lines.hidden = false;
    lines.textContent = "reading";
    try {
      const found = await ask("/api/logs" + query + "&index=" + encodeURIComponent(item));
      lines.textContent = found.lines.join("\n") || "nothing was printed";
      if (found.lines.length === found.most) lines.append("\n(the first " + count(found.most) + " lines)");
    } catch (error) { lines.textContent = error.message; }
  }
  parts.logs.append(make("h2", {}, "Logs"), make("form", {class: "bar-line", onsubmit: event => {
    event.preventDefault();
    showLogs(index.value.trim());
  }}, make("label", {}, "of item (all)", index), make("button", {}, "Show")), lines);
  const stop = change("stop", "Stop", "danger"), redrive = change("redrive", "Redrive", "");
  function change(verb, text, kind) {
    return make("button", {class: kind, id: verb, type: "button", onclick: async event => {
      event.target.disabled = true;
      try {
        say((await ask("/api/" + verb + query, {method: "POST"})).started + " was started");
      } catch (error) { say(error.message); }
    }}, text);
  }
  parts.actions.className = "bar-line";
  parts.actions.append(make("a", {class: "button", href: "/report" + query, target: "_blank", rel: "noopener"}, "Report"));
  if (about.allow_changes) parts.actions.append(stop, redrive);
  else parts.actions.append(make("span", {class: "dim"}, "only looking (--allow-changes stops and redrives)"));
  const said = make("pre", {hidden: true});
  parts.actions.after(said);

  function show(run) {
    parts.head.replaceChildren(make("h1", {}, run.name + " ", badge(run.status)),
      run.result === null ? "" : make("p", {class: "hero"}, run.result),
      make("p", {class: "dim"}, when(run.started) + ", workload " + (run.workload || "unknown")),
      run.error ? make("p", {class: run.status}, run.error.text) : "",
      run.error && run.error.traceback ? make("pre", {}, run.error.traceback) : "");
    stop.disabled = !run.is_running;
    redrive.disabled = !run.is_redrivable;
    said.hidden = !run.said.length;
    said.textContent = run.said.join("\n");
    showProgress(run);
    const tiles = [["took", duration(run.seconds)], ["items", count(run.item_count)],
      [run.is_charged ? "cost so far" : "on AWS it would cost", usd(run.usd_so_far)],
      ["plan said", usd(run.usd_planned)],
      ["rate", run.batches_per_second ? run.batches_per_second.toPrecision(3) + " batches/s" : "unknown"],
      ["left", run.seconds_left === null ? "" : duration(run.seconds_left)], ["redrives", count(run.redrive_count)]];
    if (run.memory) tiles.push(["memory of Compute", count(run.memory.peak_mib) + " of " + count(run.memory.of_mib) + " MiB"]);
    parts.tiles.replaceChildren(make("div", {class: "tiles"}, tiles.filter(tile => tile[1] !== "").map(([label, value]) =>
      make("div", {}, make("b", {}, value), make("span", {}, label)))));
    if (run.is_running && run.batches) points.push(run.batches.computing);
    if (points.length > POINTS) points.shift();
    showConcurrency();
    showProblems(run);
    const drawn = run.graphs.map(graph => graph.name + graph.svg).join("");
    if (drawn !== graphs) {
      graphs = drawn;
      parts.graphs.replaceChildren(make("h2", {}, "States"), ...run.graphs.map(graph => {
        const box = make("div", {class: "graph-box"});
        box.innerHTML = graph.svg;
        box.querySelectorAll("a.state").forEach(link => link.removeAttribute("href"));
        return make("figure", {}, make("figcaption", {}, graph.name), box);
      }));
    }
  }
  function showProgress(run) {
    if (!run.batches) { parts.progress.replaceChildren(make("p", {}, run.is_running ? "the batches are not formed yet" : "")); return; }
    const names = ["succeeded", "failed", "stopped", "computing"], total = Math.max(1, run.batches.total);
    const text = [...names, "waiting"].filter(name => run.batches[name]).map(name => count(run.batches[name]) + " " + name).join(", ");
    parts.progress.replaceChildren(make("div", {class: "meter", role: "img", "aria-label": text}, names.map(name => {
      const piece = make("span", {class: name});
      piece.style.width = 100 * run.batches[name] / total + "%";
      return piece;
    })), make("p", {}, count(run.batches.total) + " batches: " + (text || "none")));
  }
  function showConcurrency() {
    if (points.length < 2) { parts.live.replaceChildren(); return; }
    const most = Math.max(1, ...points), space = "http://www.w3.org/2000/svg", drawing = document.createElementNS(space, "svg");
    drawing.setAttribute("viewBox", "0 0 " + (POINTS - 1) + " 40");
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", "batches that compute at a time, at most " + most);
    const line = document.createElementNS(space, "polyline");
    line.setAttribute("class", "line");
    line.setAttribute("points", points.map((value, place) => place + "," + (39 - 38 * value / most)).join(" "));
    drawing.append(line);
    parts.live.replaceChildren(make("figure", {}, make("figcaption", {},
      "Batches that compute at a time since this page was opened, at most " + count(most)), drawing));
  }
  function showProblems(run) {
    const key = JSON.stringify(run.failures);
    if (key === problems) return;
    problems = key;
    const partly = "counted among the first failed items; the report has all";
    parts.problems.replaceChildren(...(run.failures.length ? [make("h2", {}, "Failures"),
      run.are_all_failures ? "" : make("p", {class: "dim"}, partly),
      table(["cause", "items", "first of them", "own code", "logs"], run.failures.map(group => ({cells: [
        make("span", {class: "cause"}, group.cause), count(group.count), group.items.join(", "), group.own_line,
        make("button", {type: "button", onclick: () => showLogs(String(group.items[0]))}, "of item " + group.items[0])]})), [1]),
      ...run.failures.filter(group => group.traceback).slice(0, 5).map(group =>
        make("details", {}, make("summary", {}, group.cause), make("pre", {}, group.traceback)))] : []));
  }
  listen("/api/run" + query, show);
}

// ---- what if ----
const FIGURES = [["size", "items", 0, 9, 5, true], ["seconds", "seconds of an item", -3, 4, 0, true],
  ["memory_mib", "MiB of memory", 128, 10240, 1024, false], ["max_concurrency", "child executions at a time", 0, 4, 2.7, true],
  ["usd_per_hour", "USD that an hour earlier is worth", 0, 100, 1, false]];
function showPlan() {
  const out = make("div", {id: "plan", "aria-live": "polite"});
  let timer = 0, latest = 0;
  const inputs = FIGURES.map(([name, label, low, high, start, isLog]) => {
    const shown = make("b", {});
    const input = make("input", {type: "range", id: name, min: low, max: high, value: start, step: isLog ? 0.01 : 1,
      oninput: () => { tell(); clearTimeout(timer); timer = setTimeout(draw, 120); }});
    const value = () => {
      if (!isLog) return Number(input.value);
      const found = 10 ** Number(input.value);
      return name === "seconds" ? Number(found.toPrecision(2)) : Math.round(Number(found.toPrecision(2)));
    };
    function tell() {
      shown.textContent = count(value());
      input.setAttribute("aria-valuetext", count(value()) + " " + label);
    }
    tell();
    return {name, value, made: make("label", {}, label, shown, input)};
  });
  async function draw() {
    const mine = ++latest;
    try {
      const found = await ask("/api/plan?" + new URLSearchParams(inputs.map(({name, value}) => [name, value()])));
      if (mine !== latest) return;
      say("");
      const best = found.recommended && JSON.stringify(found.recommended.design);
      const name = design => design.back_end === "lambda"
        ? design.child_type + " children, " + count(design.batch_size) + " a batch, " + count(design.memory_mib) + " MiB"
        : design.back_end.replace("_", " ") + ", " + count(design.batch_size) + " a batch, " + count(design.memory_mib) + " MiB";
      out.replaceChildren(make("p", {class: "hero"}, found.recommended
          ? usd(found.recommended.usd.expected) + ", " + duration(found.recommended.seconds.expected) : "no design can run it"),
        make("p", {}, found.reason),
        table(["design", "batches", "USD", "from", "to", "takes"], found.designs.slice(0, 30).map(each => ({
          kind: JSON.stringify(each.design) === best ? "recommended" : null,
          cells: [name(each.design), count(each.batch_count), usd(each.usd.expected), usd(each.usd.low), usd(each.usd.high),
            duration(each.seconds.expected)]})), [1, 2, 3, 4, 5]),
        make("p", {class: "dim"}, found.region + ", prices of " + found.prices_as_of));
    } catch (error) { say(error.message); }
  }
  main.replaceChildren(make("h1", {}, "What if"), make("p", {class: "dim"},
    "What hpc plan says while you drag; nothing is started."), make("div", {class: "sliders"}, inputs.map(each => each.made)), out);
  draw();
}

function decoded(text) {
  try { return decodeURIComponent(text || ""); } catch { return text; }  // an address that a person has typed
}
function route() {
  if (stream) stream.close();
  stream = null;
  say("");
  const [, page, argument] = location.hash.split("/");
  document.title = page === "run" ? "run - hpc" : "hpc";
  if (page === "run") showRun(decoded(argument));
  else if (page === "plan") showPlan();
  else showRuns();
}
addEventListener("hashchange", () => { route(); main.focus(); });
ask("/api/about").then(found => {
  about = found;
  document.getElementById("place").textContent = found.place;
  route();
}, error => say(error.message));
