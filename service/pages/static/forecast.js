/** What to expect of the chosen pictures, before they start: sizes, bytes and seconds. */

import { byId, setText } from "./dom.js";
import { formatDimensions, formatDuration, formatSize } from "./format.js";
import { resultSize, taskSeconds } from "./result-size.js";
import { estimateBytes } from "./size-estimate.js";
import { t } from "./text.js";

const DELAY = 300; // ms without a change until a part is encoded

/** Whether the size of the result is not known before. */
const trims = (operations) => operations.some(({ op }) => op === "trim");

export class Forecast {
  /**
   * @param {import("./pipeline-form.js").PipelineForm} form
   * @param {import("./selected-files.js").SelectedFiles} selected
   * @param {Record<string, number>} prices `seconds_per_megapixel` of GET /operations
   */
  constructor(form, selected, prices) {
    this.form = form;
    this.selected = selected;
    this.prices = prices;
    this.timer = 0;
    this.shown = "";
    form.changed = () => this.show();
    selected.changed = () => this.show();
    this.show();
  }

  show() {
    const { form } = this;
    const pictures = this.selected.shown();
    const { operations, format, quality } = form;
    const price = (at) => (operation) => this.seconds(pictures, operations.with(at, operation));
    form.steps.forEach((step, at) => step.show(pictures, at === 0, price(at)));
    const key = JSON.stringify([operations, format, quality, pictures]);
    if (key === this.shown) return;
    this.shown = key;
    byId("forecast").hidden = !pictures.length;
    clearTimeout(this.timer);
    if (!pictures.length) return;
    const time = this.seconds(pictures, operations);
    this.say(pictures, null, time);
    this.timer = setTimeout(async () => {
      const bytes = await this.bytes(pictures[0]);
      if (bytes && key === this.shown) this.say(pictures, bytes, time);
    }, DELAY);
  }

  /** Of all pictures, one after the other: networks share the cores. 0: unknown. */
  seconds(pictures, operations) {
    const { format } = this.form;
    const each = pictures.map((picture) => taskSeconds(picture, operations, format, this.prices));
    return each.includes(null) ? 0 : each.reduce((sum, one) => sum + one, 0);
  }

  /** @returns {Promise<number|null>} of the first picture's results */
  async bytes(picture) {
    const { operations, format, quality } = this.form;
    if (trims(operations)) return null;
    const size = resultSize(picture, operations);
    const convert = operations.findLast(({ op }) => op === "convert");
    const file = await this.selected.pictures.history.file(picture.id);
    return file ? estimateBytes(file, size, convert?.format ?? format, Number(quality) || undefined) : null;
  }

  say(pictures, bytes, time) {
    const [first] = pictures;
    const { operations } = this.form;
    const from = formatDimensions(first);
    const to = trims(operations) ? t("forecast.trimmed") : formatDimensions(resultSize(first, operations));
    const parts = [pictures.length > 1 ? t("forecast.sizes_first", { from, to }) : t("forecast.sizes", { from, to })];
    if (bytes) parts.push(t("forecast.bytes", { from: formatSize(first.size), to: formatSize(bytes) }));
    if (time >= 0.5) parts.push(t("forecast.time", { time: formatDuration(time) }));
    setText(byId("forecast"), parts.join(" · "));
  }
}
