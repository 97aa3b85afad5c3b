// A task's pictures: the original beside its results, and a link to each.

import { el } from "./dom.js";
import { formatDimensions, formatSize } from "./format.js";
import { canCompare, loadSize, makePair } from "./pair.js";
import { t } from "./text.js";
import { Viewer } from "./viewer.js";

const MAX_SHOWN_BYTES = 3e6; // larger pictures are links: the dialog may be open on a phone, or over a slow line
const MAX_SHOWN_PIXELS = 25e6; // a browser holds 4 bytes of each
const MAX_SHOWN = 8; // results as pictures

/** The section, empty but for its links; `fillPictures` shows the pictures once. */
export function pictures(task) {
  const stored = task.results.filter((result) => result.url);
  if (!task.original && !stored.length) return null;
  const known = [task.original?.url, ...stored.map((result) => result.url)].join(" ");
  return el(
    "section",
    { "data-key": `pictures ${known}`, "aria-label": t("tasks.pictures") },
    el("h3", {}, t("tasks.pictures")),
    el("div", { class: "compared", "data-key": "compared", "data-kept": true }),
    el("ul", { class: "results", "data-key": "links" }, original(task.original), stored.map(link)),
  );
}

const original = (found) =>
  found &&
  el("li", { "data-key": "original" }, el("a", { href: found.url }, t("tasks.original")), el("span", { class: "small quiet" }, ` ${formatSize(found.bytes)}`, note(isSmall(found))));

const link = (result) =>
  el("li", { "data-key": result.name }, el("a", { href: result.url }, result.name), el("span", { class: "small quiet" }, ` ${formatDimensions(result)}, ${formatSize(result.bytes)}`, note(isSmall(result))));

const note = (small) => (small ? "" : `, ${t("tasks.too_large")}`);

const isSmall = ({ bytes, width = 0, height = 0 }) => bytes <= MAX_SHOWN_BYTES && width * height <= MAX_SHOWN_PIXELS;

/** Show the pictures of the section in `dialog`, unless they are shown already. */
export async function fillPictures(dialog, task) {
  const place = dialog.querySelector(".compared");
  if (!place || place.dataset.filled) return;
  place.dataset.filled = "yes";
  const results = task.results.filter((result) => result.url && isSmall(result)).slice(0, MAX_SHOWN);
  const before = task.original && isSmall(task.original) ? await loadSize(task.original.url) : null;
  if (!before && !results.length) return;
  if (before && results.length === 1 && canCompare(before, results[0], task.operations)) {
    const labels = [t("compare.before"), t("compare.after")];
    const versions = [before, results[0]].map((image, at) => ({ ...image, label: labels[at] }));
    place.append(new Viewer(versions, task.name).node);
  } else place.append(makePair(before, results, task.name));
}
