// The dashboard page: shows what the URL says, and refreshes every two seconds while visible.

import { ApiError } from "/static/api.js";
import { get, now, post } from "/static/dashboard-api.js";
import { showCharts } from "/static/dashboard-charts.js";
import { el, render } from "/static/dashboard-dom.js";
import { showAlerts, showFigures } from "/static/dashboard-overview.js";
import { showTask } from "/static/dashboard-task-detail.js";
import { FILTERS, showPager, showTasks } from "/static/dashboard-task-table.js";
import { showWorkers } from "/static/dashboard-workers.js";
import { confirmAction } from "/static/dashboard-confirm.js";

const REFRESH_INTERVAL = 2000; // ms
const $ = (id) => document.getElementById(id);
const filters = $("filters");
const detail = $("detail");
let view = {};
let timer = 0;
let newest = 0; // number of the newest refresh; results of older ones are dropped

function readUrl() {
  const query = new URLSearchParams(location.search);
  view = Object.fromEntries(query);
  for (const name of FILTERS) filters.elements[name].value = query.get(name) ?? "";
  if (view.minutes) $("minutes").value = view.minutes;
}

/** Change the view and the URL, so that links and the back button work. */
function navigate(change) {
  const wanted = Object.entries({ ...view, ...change }).filter(([, value]) => value);
  const query = new URLSearchParams(wanted).toString();
  if (query !== location.search.slice(1)) history.pushState(null, "", query ? `?${query}` : location.pathname);
  readUrl();
  refresh();
}

async function refresh() {
  clearTimeout(timer);
  const number = ++newest;
  const filter = Object.fromEntries([...FILTERS, "after"].map((name) => [name, view[name]]));
  const parts = [
    [get("queue"), (queue) => { showAlerts($("alerts"), queue.alarms); showFigures($("figures"), queue); }],
    [get("workers"), ({ workers }) => { showWorkers($("workers"), workers); suggestWorkers(workers); }],
    [get("history", { minutes: $("minutes").value }), (found) => showCharts($("charts"), found, now())],
    [get("tasks", filter), (page) => { showTasks($("tasks"), page, view, now()); showPager($("pager"), page, view); }],
    view.task ? [get(`tasks/${encodeURIComponent(view.task)}`), open] : [Promise.resolve(), close],
  ];
  for (const [request] of parts) request.catch(() => {}); // each is awaited below
  const problems = [];
  for (const [request, show] of parts) {
    try {
      const data = await request;
      if (number !== newest) return;
      show(data);
    } catch (error) {
      // An error in this page must be visible too, and must not stop the refreshing.
      if (!(error instanceof ApiError)) reportError(error);
      problems.push(error);
    }
  }
  showStatus(problems);
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_INTERVAL);
}

function showStatus(problems) {
  const status = (problem) => (problem instanceof ApiError ? problem.problem.status : 0);
  const outage = problems.find((problem) => status(problem) < 400 || status(problem) >= 500);
  const refused = problems.find((problem) => problem !== outage && status(problem) < 500);
  $("connection").className = `chip ${outage ? "bad" : "good"}`;
  const label = outage ? "no connection" : "live";
  if ($("connection").textContent !== label) $("connection").textContent = label;
  if (outage) {
    const text = `This page is out of date: ${outage.message}. Trying again every two seconds.`;
    render($("alerts"), el("p", { class: "problem critical", "data-key": "outage" }, el("strong", {}, "Critical: "), text));
  }
  $("filter-error").hidden = !refused;
  if (refused && $("filter-error").textContent !== refused.message) $("filter-error").textContent = refused.message;
}

function suggestWorkers(workers) {
  render($("worker-names"), workers.map((worker) => el("option", { value: worker.name, "data-key": worker.name })));
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
  open: (data) => navigate({ task: data.task }),
  close: () => navigate({ task: "" }),
  filter: (data) => { navigate({ status: data.status, search: "", operation: "", worker: "", after: "" }); $("tasks-title").scrollIntoView(); },
  older: (data) => { navigate({ after: data.after }); $("tasks-title").scrollIntoView(); },
  newest: () => navigate({ after: "" }),
  retry: (data) => performAction(`tasks/${data.task}/retry`),
  cancel: async (data) => {
    const text = "Its progress is lost. You can retry it later.";
    if (await confirmAction(`Cancel ${data.name}?`, text, "Cancel the task")) await performAction(`tasks/${data.task}/cancel`);
  },
  drain: async (data) => {
    const text = "It finishes its current tasks and takes no new ones until it is resumed or restarted.";
    if (await confirmAction(`Drain ${data.worker}?`, text, "Drain the worker")) await performAction(`workers/${encodeURIComponent(data.worker)}/drain`);
  },
  redeliver: (data) => performAction(`webhooks/${data.webhook}/redeliver`),
  resume: (data) => performAction(`workers/${encodeURIComponent(data.worker)}/resume`),
};

async function performAction(path) {
  try {
    await post(path);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    await confirmAction("That did not work", error.message, "", "Close");
  }
  await refresh();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-action]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  ACTIONS[target.dataset.action](target.dataset);
});
filters.addEventListener("submit", (event) => {
  event.preventDefault();
  navigate({ ...Object.fromEntries(new FormData(filters)), after: "" });
});
filters.addEventListener("change", () => filters.requestSubmit());
filters.addEventListener("reset", (event) => {
  event.preventDefault();
  navigate(Object.fromEntries([...FILTERS, "after"].map((name) => [name, ""])));
});
$("minutes").addEventListener("change", () => navigate({ minutes: $("minutes").value }));
detail.addEventListener("cancel", (event) => { event.preventDefault(); navigate({ task: "" }); });
addEventListener("popstate", () => { readUrl(); refresh(); });
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) refresh();
});
readUrl();
refresh();
