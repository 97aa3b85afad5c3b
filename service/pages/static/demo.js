/** What a network gains, to try on an empty page: a small photograph and its enlargement, whose divider moves once. */

import { t } from "./text.js";
import { Viewer } from "./viewer.js";

const SWEEP = 4000; // ms; motion that does not end by itself may last five seconds at most (WCAG 2.2.2)
const VERSIONS = [
  { url: "/static/sample.jpg", width: 192, height: 192 },
  { url: "/static/sample-x3.avif", width: 576, height: 576 },
];

export class Demo {
  /** @param {HTMLElement} place where it is shown */
  constructor(place) {
    this.place = place;
    /** @type {Viewer|null} null: not shown */
    this.viewer = null;
  }

  /** @param {boolean} shown */
  toggle(shown) {
    this.place.hidden = !shown;
    if (shown === Boolean(this.viewer)) return;
    this.viewer?.node.remove();
    this.viewer = null;
    if (!shown) return;
    const labels = [t("compare.before"), t("compare.after")];
    this.viewer = new Viewer(VERSIONS.map((each, at) => ({ ...each, label: labels[at] })), t("demo.name"));
    this.place.prepend(this.viewer.node);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.sweep(this.viewer);
  }

  /** Move the divider to and fro, until it ends or a person takes over. @param {Viewer} viewer */
  sweep(viewer) {
    let begun = 0;
    let stopped = false;
    for (const kind of ["pointerdown", "keydown", "focusin"]) viewer.node.addEventListener(kind, () => (stopped = true));
    const step = (now) => {
      begun ||= now;
      const share = Math.min(1, (now - begun) / SWEEP);
      if (stopped || !viewer.node.isConnected) return;
      viewer.setCut(50 + 35 * Math.sin(2 * Math.PI * share));
      if (share < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}
