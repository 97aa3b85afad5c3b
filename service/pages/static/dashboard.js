// The dashboard: what the address says is shown, asked anew every two seconds while anybody looks.

import { Problem } from "/static/api.js";
import { act, ask, now } from "/static/dashboard-api.js";
import { showCharts } from "/static/dashboard-charts.js";
import { el, show } from "/static/dashboard-dom.js";
import { showAlarms, showFigures } from "/static/dashboard-now.js";
import { showTask } from "/static/dashboard-task.js";
import { FILTERS, showPager, showTasks } from "/static/dashboard-tasks.js";
import { showWorkers } from "/static/dashboard-workers.js";
import { sure } from "/static/dashboard-sure.js";

const PAUSE = 2000; // ms between two looks
const $ = (id) => document.getElementById(id);
const filters = $("filters");
const detail = $("detail");
let view = {};
let timer = 0;
let looking = 0; // number of the newest look: answers to older ones are not shown

function read() {
  const query = new URLSearchParams(location.search);
  view = Object.fromEntries(query);
  for (const name of FILTERS) filters.elements[name].value = query.get(name) ?? "";
  if (view.minutes) $("minutes").value = view.minutes;
}

/** Change what is shown, and the address with it, so that it can be linked and gone back from. */
function go(change) {
  const wanted = Object.entries({ ...view, ...change }).filter(([, value]) => value);
  const query = new URLSearchParams(wanted).toString();
  if (query !== location.search.slice(1)) history.pushState(null, "", query ? `?${query}` : location.pathname);
  read();
  look();
}

async function look() {
  clearTimeout(timer);
  const mine = ++looking;
  const filter = Object.fromEntries([...FILTERS, "after"].map((name) => [name, view[name]]));
  const parts = [
    [ask("queue"), (queue) => { showAlarms($("alarms"), queue.alarms); showFigures($("figures"), queue); }],
    [ask("workers"), ({ workers }) => { showWorkers($("workers"), workers); suggest(workers); }],
    [ask("history", { minutes: $("minutes").value }), (found) => showCharts($("charts"), found, now())],
    [ask("tasks", filter), (page) => { showTasks($("tasks"), page, view, now()); showPager($("pager"), page, view); }],
    view.task ? [ask(`tasks/${encodeURIComponent(view.task)}`), open] : [Promise.resolve(), close],
  ];
  for (const [asked] of parts) asked.catch(() => {}); // each is awaited below, in its turn
  const problems = [];
  for (const [asked, shown] of parts) {
    try {
      const answer = await asked;
      if (mine !== looking) return;
      shown(answer);
    } catch (error) {
      // A mistake of the page itself, too, must be seen, and must not end the asking.
      if (!(error instanceof Problem)) reportError(error);
      problems.push(error);
    }
  }
  tell(problems);
  if (!document.hidden) timer = setTimeout(look, PAUSE);
}

function tell(problems) {
  const status = (problem) => (problem instanceof Problem ? problem.facts.status : 0);
  const away = problems.find((problem) => status(problem) < 400 || status(problem) >= 500);
  const refused = problems.find((problem) => problem !== away && status(problem) < 500);
  $("live").className = `chip ${away ? "bad" : "good"}`;
  const said = away ? "no connection" : "live";
  if ($("live").textContent !== said) $("live").textContent = said;
  if (away) {
    const text = `What is shown is not of now: ${away.message}. Asked again every two seconds.`;
    show($("alarms"), el("p", { class: "problem critical", "data-key": "away" }, el("strong", {}, "Critical: "), text));
  }
  $("refusal").hidden = !refused;
  if (refused && $("refusal").textContent !== refused.message) $("refusal").textContent = refused.message;
}

function suggest(workers) {
  show($("names"), workers.map((worker) => el("option", { value: worker.name, "data-key": worker.name })));
}

function open(task) {
  showTask(detail, task, now());
  if (!detail.open) {
    detail.showModal();
    detail.scrollTop = 0;
  }
}

function close() {
  if (detail.open) detail.close();
}

const ACTIONS = {
  open: (data) => go({ task: data.task }),
  close: () => go({ task: "" }),
  filter: (data) => { go({ status: data.status, search: "", operation: "", worker: "", after: "" }); $("tasks-title").scrollIntoView(); },
  older: (data) => { go({ after: data.after }); $("tasks-title").scrollIntoView(); },
  newest: () => go({ after: "" }),
  retry: (data) => perform(`tasks/${data.task}/retry`),
  cancel: async (data) => {
    const text = "What was done of it so far is lost. It can be retried later.";
    if (await sure(`Cancel ${data.name}?`, text, "Cancel the task")) await perform(`tasks/${data.task}/cancel`);
  },
  drain: async (data) => {
    const text = "It finishes what it has in hand and takes nothing new until it is resumed or restarted.";
    if (await sure(`Drain ${data.worker}?`, text, "Drain the worker")) await perform(`workers/${encodeURIComponent(data.worker)}/drain`);
  },
  redeliver: (data) => perform(`webhooks/${data.webhook}/redeliver`),
  resume: (data) => perform(`workers/${encodeURIComponent(data.worker)}/resume`),
};

async function perform(path) {
  try {
    await act(path);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    await sure("That was not done", error.message, "", "Close");
  }
  await look();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-action]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  ACTIONS[target.dataset.action](target.dataset);
});
filters.addEventListener("submit", (event) => {
  event.preventDefault();
  go({ ...Object.fromEntries(new FormData(filters)), after: "" });
});
filters.addEventListener("change", () => filters.requestSubmit());
filters.addEventListener("reset", (event) => {
  event.preventDefault();
  go(Object.fromEntries([...FILTERS, "after"].map((name) => [name, ""])));
});
$("minutes").addEventListener("change", () => go({ minutes: $("minutes").value }));
detail.addEventListener("cancel", (event) => { event.preventDefault(); go({ task: "" }); });
addEventListener("popstate", () => { read(); look(); });
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) look();
});
read();
look();
