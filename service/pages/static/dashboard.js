// The dashboard page: shows what the URL says, and refreshes every two seconds while visible.

import { ApiError } from "./api.js";
import { get, now, post } from "./dashboard-api.js";
import { showActivity } from "./dashboard-activity.js";
import { showCharts } from "./dashboard-charts.js";
import { confirmAction } from "./dashboard-confirm.js";
import { showHealth } from "./dashboard-health.js";
import { showAlerts, showFigures } from "./dashboard-overview.js";
import { showTask } from "./dashboard-task-detail.js";
import { timeElement } from "./dashboard-parts.js";
import { FILTERS, showPager, showTasks } from "./dashboard-task-table.js";
import { showWorkers } from "./dashboard-workers.js";
import { byId, el, render, setText } from "./dom.js";
import { pieces, t, tWord } from "./text.js";

const REFRESH_INTERVAL = 2000; // ms
const PAST_INTERVAL = 6000; // ms
const filters = byId("filters");
const detail = byId("detail");
let view = {};
let timer = 0;
let waiting = 0; // the figure, which the chart says, too
let past = null;
let current = ""; // when the page was last up to date
let newest = 0; // number of the newest refresh; results of older ones are dropped

function readUrl() {
  const query = new URLSearchParams(location.search);
  view = Object.fromEntries(query);
  for (const name of FILTERS) filters.elements[name].value = query.get(name) ?? "";
  if (view.minutes) byId("minutes").value = view.minutes;
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
  const minutes = byId("minutes").value;
  const filter = Object.fromEntries([...FILTERS, "after"].map((name) => [name, view[name]]));
  const parts = [
    [get("queue"), (queue) => { waiting = queue.waiting; showAlerts(byId("alerts"), queue.alarms, now()); showFigures(byId("figures"), queue); }],
    [get("health"), (health) => showHealth(byId("health"), health)],
    [get("workers"), ({ workers }) => { showWorkers(byId("workers"), workers); suggestWorkers(workers); }],
    [loadPast(minutes), ({ history, activity }) => {
      showCharts(byId("charts"), { history, activity, waiting }, now());
      showActivity(byId("activity"), activity);
    }],
    [get("tasks", filter), (page) => { showTasks(byId("tasks"), page, view, now()); showPager(byId("pager"), page, view); }],
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

/** What happened in the last minutes; asked for less often than the rest, since it is written every ten seconds. */
async function loadPast(minutes) {
  if (past?.minutes === minutes && Date.now() - past.loaded < PAST_INTERVAL) return past;
  const loaded = Date.now();
  const [history, activity] = await Promise.all([get("history", { minutes }), get("activity", { minutes })]);
  past = { minutes, loaded, history, activity };
  return past;
}

function showStatus(problems) {
  const status = (problem) => (problem instanceof ApiError ? problem.problem.status : 0);
  const outage = problems.find((problem) => status(problem) < 400 || status(problem) >= 500);
  const refused = problems.find((problem) => problem !== outage && status(problem) < 500);
  byId("connection").className = `chip ${outage ? "bad" : "good"}`;
  setText(byId("connection"), t(outage ? "connection.lost" : "connection.live"));
  if (!outage) current = new Date(now()).toISOString();
  if (outage) {
    const since = current ? pieces("connection.since", { time: timeElement(current) }) : "";
    const text = [` ${t("connection.outdated", { problem: outage.message })} `, since, ` ${t("connection.advice")}`];
    render(byId("alerts"), el("p", { class: "problem critical", "data-key": "outage" }, el("strong", {}, t("alert.critical")), text));
  }
  byId("filter-error").hidden = !refused;
  if (refused) setText(byId("filter-error"), refused.message);
}

function suggestWorkers(workers) {
  render(byId("worker-names"), workers.map((worker) => el("option", { value: worker.name, "data-key": worker.name })));
}

function open(task) {
  showTask(detail, task, now());
  if (!detail.open) {
    detail.showModal();
    detail.scrollTop = 0;
  }
}

function close() {
  if (!detail.open) return;
  detail.close();
  detail.replaceChildren(); // its pictures need memory
}

const ACTIONS = {
  open: (data) => navigate({ task: data.task }),
  close: () => navigate({ task: "" }),
  filter: (data) => { navigate({ status: data.status, search: "", operation: "", worker: "", after: "" }); byId("tasks-title").scrollIntoView(); },
  older: (data) => { navigate({ after: data.after }); byId("tasks-title").scrollIntoView(); },
  newest: () => navigate({ after: "" }),
  retry: (data) => performAction(`tasks/${data.task}/retry`),
  cancel: async (data) => {
    const confirmed = await confirmAction(t("confirm.cancel", { name: data.name }), t("confirm.cancel_text"), t("tasks.cancel"));
    if (confirmed) await performAction(`tasks/${data.task}/cancel`);
  },
  drain: async (data) => {
    const confirmed = await confirmAction(t("confirm.drain", { name: data.worker }), t("confirm.drain_text"), t("confirm.drain_yes"));
    if (confirmed) await performAction(`workers/${encodeURIComponent(data.worker)}/drain`);
  },
  redeliver: (data) => performAction(`webhooks/${data.webhook}/redeliver`),
  resume: (data) => performAction(`workers/${encodeURIComponent(data.worker)}/resume`),
};

async function performAction(path) {
  try {
    await post(path);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    await confirmAction(t("confirm.failed"), error.message);
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
byId("minutes").addEventListener("change", () => navigate({ minutes: byId("minutes").value }));
detail.addEventListener("cancel", (event) => { event.preventDefault(); navigate({ task: "" }); });
addEventListener("popstate", () => { readUrl(); refresh(); });
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) refresh();
});
for (const option of filters.elements.status.options) if (option.value) option.text = tWord("task", option.value);
readUrl();
refresh();
