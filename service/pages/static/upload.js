/** The page that takes pictures: its parts made and joined. */

import { call, patiently } from "./api.js";
import { byId, say } from "./dom.js";
import { Form } from "./form.js";
import { History } from "./history.js";
import { listen } from "./intake.js";
import { Pictures } from "./pictures.js";
import { Queue } from "./queue.js";
import { PictureSet } from "./sets.js";
import { Tray } from "./tray.js";
import { Watcher } from "./watch.js";
import { count, plan } from "./words.js";

const compose = byId("compose");
const start = byId("start");
const options = byId("options");
const news = (text) => say(byId("news"), text);

const pictures = new Pictures(await History.open(Number(compose.dataset.maxHistory)));
const watcher = new Watcher(pictures, Number(compose.dataset.maxGroup));
const queue = new Queue(pictures, watcher);
const tray = new Tray(byId("tray"), pictures);
/** @type {Map<string, PictureSet>} by id, oldest first */
const sets = new Map();
/** @type {Form|null} null until GET /operations has answered */
let form = null;
let restoring = true;

/** @returns {import("./pictures.js").Item[]} */
const chosen = () => pictures.which((item) => item.state === "chosen");

/** Say on the button what it will do. */
function offer() {
  const some = chosen().length;
  start.hidden = !some || !form;
  compose.classList.toggle("chosen", some > 0);
  byId("choose").classList.toggle("first", !some);
  say(byId("choose"), some ? "Add more" : "Choose pictures");
  const single = form?.operations.length === 1;
  const what = single ? plan([{ op: form.operations[0].op }]) : "Start with";
  say(start, `${what} ${count(some, "picture")}`);
  compose.classList.toggle("among", sets.size > 0);
  byId("intro").classList.toggle("unseen", some > 0 || sets.size > 0);
  byId("forget").hidden = !pictures.items.size;
}

/** Open the newest set, and fold those in which nothing happens any more. */
function unfold(newest) {
  sets.forEach((set) => (set.node.open = set === newest || (set.node.open && set.busy)));
}

/** Show what changed in the set of a picture; the newest set stands first. */
function arrange(item, gone) {
  let set = sets.get(item.set);
  if (!set) {
    set = new PictureSet(item, pictures, queue);
    sets.set(item.set, set);
    byId("sets").prepend(set.node);
    if (!restoring) unfold(set);
  }
  const before = set.ended;
  set.take(item, gone);
  if (!set.cards.size) {
    if (set.node.contains(document.activeElement)) byId("choose").focus();
    set.close();
    sets.delete(item.set);
    return;
  }
  const { open, ended, done, failed } = set.overall();
  const worse = failed > (set.failed ?? 0);
  Object.assign(set, { ended, failed });
  if (before === undefined || ended === before) return;
  if (open && ended + open > 3 && !worse) return; // who listens wants to know of the end
  const bad = failed ? `, ${failed} failed` : "";
  news(open ? `${ended} of ${ended + open} ended` : `All ended: ${done} done${bad}`);
}

pictures.listen((item, gone) => {
  tray.take(item, gone);
  if (item.set) arrange(item, gone);
  offer();
});

/** @param {File[]} files */
async function take(files) {
  const before = chosen().length;
  for (const file of files) await pictures.add(file);
  if (!files.length) return;
  news(`${count(chosen().length - before, "picture")} added`);
  const from = [document.body, byId("choose"), byId("sample")];
  if (from.includes(document.activeElement)) start.focus();
}

compose.addEventListener("submit", (event) => {
  event.preventDefault();
  const items = chosen();
  if (!form || !items.length) return;
  if (!compose.checkValidity()) {
    options.open = true; // what is folded away cannot be pointed at
    compose.reportValidity();
    return;
  }
  const { operations, format } = form;
  const set = items[0].id;
  for (const item of items) pictures.settle(item, { set, operations, format, state: "waiting" });
  news(`Sending ${count(items.length, "picture")}`);
  options.open = false;
  sets.get(set)?.summary.focus();
  queue.pump();
});

byId("forget-all").addEventListener("click", async () => {
  const ended = pictures.which((item) => !["sending", "working"].includes(item.state));
  await pictures.forget(ended);
  news(`${count(ended.length, "picture")} forgotten`);
  byId("choose").focus();
});

await pictures.restore();
restoring = false;
sets.forEach((set) => (set.node.open = set.busy));
if (sets.size) unfold([...sets.values()].at(-1));
listen(take);
offer();
queue.pump();
watcher.watch();
const wait = (text) => say(byId("plan"), text || "Upscale");
const { operations } = await patiently(() => call("GET", "/operations"), wait);
form = new Form(operations, Number(compose.dataset.maxOperations), news);
byId("options").addEventListener("input", offer);
byId("options").addEventListener("click", offer);
offer();
document.body.dataset.ready = ""; // for those who wait for the page: all of it answers now
