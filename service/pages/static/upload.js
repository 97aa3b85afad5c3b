/** The upload page: creates its parts and connects them. */

import { Alternatives } from "./alternatives.js";
import { callApi, withRetries } from "./api.js";
import { byId, setText } from "./dom.js";
import { PipelineForm } from "./pipeline-form.js";
import { Forecast } from "./forecast.js";
import { HistoryStore } from "./history-store.js";
import { acceptFiles } from "./file-input.js";
import { acceptLinks, nameOf } from "./link-input.js";
import { checkPicture } from "./picture-check.js";
import { PictureList } from "./picture-list.js";
import { UploadQueue } from "./upload-queue.js";
import { Presets } from "./presets.js";
import { PictureSet } from "./picture-set.js";
import { RefusedFiles } from "./refused-files.js";
import { SelectedFiles } from "./selected-files.js";
import { TaskWatcher } from "./task-watcher.js";
import { Demo } from "./demo.js";
import { offerShortcuts } from "./shortcuts.js";
import { describeOperations } from "./format.js";
import { STATES } from "./picture-states.js";
import { LANGUAGE, t } from "./text.js";

const uploadForm = byId("upload-form");
const start = byId("start");
const { maxBytes, maxPixels, accepted } = uploadForm.dataset;
const limits = { bytes: Number(maxBytes), pixels: Number(maxPixels), accepted: accepted.split(" ") };
const invitation = byId("choose").textContent;
const announce = (text) => setText(byId("announcer"), text);

const pictures = new PictureList(await HistoryStore.open(Number(uploadForm.dataset.maxHistory)));
const watcher = new TaskWatcher(pictures, Number(uploadForm.dataset.maxGroup));
const queue = new UploadQueue(pictures, watcher);
const alternatives = new Alternatives(pictures, queue);
const selectedFiles = new SelectedFiles(byId("selected"), pictures);
const refusedFiles = new RefusedFiles(byId("refused"));
const demo = new Demo(byId("demo"));
/** @type {Map<string, PictureSet>} by id, oldest first */
const sets = new Map();
/** @type {PipelineForm|null} null until GET /operations has answered */
let form = null;
let restoring = true;

/** @returns {import("./picture-list.js").Item[]} */
const chosen = () => pictures.filter((item) => item.state === "chosen");

/** Update the buttons for the chosen pictures. */
function updateControls() {
  const chosenCount = chosen().length;
  start.hidden = !chosenCount || !form;
  uploadForm.classList.toggle("chosen", chosenCount > 0);
  byId("choose").classList.toggle("primary", !chosenCount);
  setText(byId("choose"), chosenCount ? t("upload.add_more") : invitation);
  setText(start, startText(chosenCount));
  uploadForm.classList.toggle("has-sets", sets.size > 0);
  if (!restoring) demo.toggle(!chosenCount && !sets.size);
  byId("intro").classList.toggle("visually-hidden", chosenCount > 0 || sets.size > 0);
  byId("history-note").hidden = !pictures.items.size;
}

/** What the start button will do. @param {number} count of the chosen pictures */
function startText(count) {
  if (form?.operations.length !== 1) return t("upload.start", { count });
  const operation = describeOperations([{ op: form.operations[0].op }]);
  return t("upload.start_operation", { operation, count });
}

/** The qualities of upscale. @param {any[]} specs of GET /operations @returns {string[]} */
function qualitiesOf(specs) {
  const { quality } = specs.find(({ op }) => op === "upscale")?.parameters.properties ?? {};
  return [quality?.anyOf ?? quality ?? []].flat().flatMap((kind) => kind.enum ?? []);
}

/** Open the newest set, and close sets that have ended. */
function openNewest(newest) {
  sets.forEach((set) => (set.node.open = set === newest || (set.node.open && set.busy)));
}

/** Show a change in the set of a picture; the newest set comes first. */
function updateSet(item, removed) {
  let set = sets.get(item.set);
  if (!set) {
    set = new PictureSet(item, pictures, queue, alternatives);
    sets.set(item.set, set);
    byId("sets").prepend(set.node);
    if (!restoring) openNewest(set);
  }
  const before = set.ended;
  set.update(item, removed);
  if (!set.cards.size) {
    if (set.node.contains(document.activeElement)) byId("choose").focus();
    set.close();
    sets.delete(item.set);
    return;
  }
  const { open, ended, done, failed } = set.summarize();
  const newFailure = failed > (set.failed ?? 0);
  Object.assign(set, { ended, failed });
  if (before === undefined || ended === before) return;
  if (open && ended + open > 3 && !newFailure) return; // announce only failures and the end
  if (open) announce(t("set.finished", { ended, total: ended + open }));
  else announce(failed ? t("upload.all_done_some_failed", { done, failed }) : t("upload.all_done", { done }));
}

pictures.subscribe((item, removed) => {
  selectedFiles.update(item, removed);
  if (item.set) updateSet(item, removed);
  updateControls();
});

/** Add the files that can pass, and say of the others why not. @param {File[]} files */
async function addFiles(files) {
  if (!files.length) return;
  refusedFiles.forget();
  const refused = [];
  for (const file of files) {
    const problem = await checkPicture(file, limits);
    if (!problem) await pictures.add(file);
    else {
      refusedFiles.add(file, problem);
      refused.push(t("text.labelled", { label: file.name, text: problem.detail }));
    }
  }
  say(files.length - refused.length, refused);
}

/** Add links, and say of what else was typed that it is none. @param {string[]} links */
async function addLinks(links) {
  if (!links.length) return;
  refusedFiles.forget();
  const refused = [];
  for (const link of links) {
    if (nameOf(link)) await pictures.addLink(link);
    else {
      refusedFiles.add({ name: link }, { code: "bad_image_url", detail: t("refused.link"), lang: LANGUAGE });
      refused.push(t("text.labelled", { label: link, text: t("refused.link") }));
    }
  }
  say(links.length - refused.length, refused);
}

/** Announce what was added, and what was not. @param {number} added @param {string[]} refused */
function say(added, refused) {
  announce([...(added ? [t("upload.added", { count: added })] : []), ...refused].join(". "));
  const idle = [document.body, byId("choose"), byId("sample")].includes(document.activeElement);
  if (added && idle) start.focus({ preventScroll: true }); // it is in sight, as is what was refused
}

uploadForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const items = chosen();
  if (!form || !items.length) return;
  if (!uploadForm.checkValidity()) {
    uploadForm.querySelectorAll(":invalid").forEach((field) => field.closest("details")?.setAttribute("open", ""));
    uploadForm.reportValidity();
    return;
  }
  const { operations, format, quality, metadata } = form;
  const set = items[0].id;
  for (const item of items) pictures.save(item, { set, operations, format, quality, metadata, state: "waiting" });
  announce(t("upload.started", { count: items.length }));
  sets.get(set)?.summary.focus();
  queue.start();
});

byId("clear-history").addEventListener("click", async () => {
  const resting = pictures.filter((item) => !STATES[item.state].share); // neither in transit nor in work
  await pictures.remove(resting);
  announce(t("upload.cleared", { count: resting.length }));
  byId("choose").focus();
});

await pictures.restore();
restoring = false;
sets.forEach((set) => (set.node.open = set.busy));
if (sets.size) openNewest([...sets.values()].at(-1));
alternatives.started = (item) => sets.get(item.set)?.summary.focus(); // it stands above what the person looks at
acceptFiles(addFiles);
acceptLinks(addLinks);
offerShortcuts();
updateControls();
queue.start();
watcher.watch();
const plan = byId("plan").textContent;
const notify = (text) => setText(byId("plan"), text || plan);
const { operations, seconds_per_megapixel: prices } = await withRetries(() => callApi("GET", "/operations"), notify);
alternatives.qualities = qualitiesOf(operations);
sets.forEach((set) => set.cards.forEach((card) => card?.update())); // which offer other qualities
form = new PipelineForm(operations, Number(uploadForm.dataset.maxOperations), announce);
const presets = new Presets(form, announce);
new Forecast(form, selectedFiles, prices);
for (const kind of ["input", "click"]) {
  byId("options").addEventListener(kind, () => {
    updateControls();
    presets.mark();
  });
}
updateControls();
document.body.dataset.ready = ""; // for tests: the page is ready
