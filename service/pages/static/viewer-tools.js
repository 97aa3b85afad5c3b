/** The bar under a viewer: zoom, side by side, and which versions are compared. */

import { el, setText } from "./dom.js";
import { t } from "./text.js";

/**
 * @param {import("./viewer.js").Viewer} viewer
 * @param {import("./viewer.js").Version[]} versions
 * @returns {{node: HTMLElement, update: () => void}}
 */
export function makeTools(viewer, versions) {
  const button = (sign, label, title, onclick) =>
    el("button", { type: "button", "aria-label": label, title, text: sign, onclick });
  const percent = el("output", { class: "zoom" });
  const side = el("button", { type: "button", text: t("viewer.side"), title: t("viewer.side_hint") });
  side.addEventListener("click", () => viewer.toggleSide());
  const zoom = el(
    "div",
    { class: "row", role: "group", "aria-label": t("viewer.zoom") },
    button("−", t("viewer.out"), t("viewer.out_hint"), () => viewer.zoom(1 / 1.25)),
    percent,
    button("+", t("viewer.in"), t("viewer.in_hint"), () => viewer.zoom(1.25)),
    el("button", { type: "button", text: t("viewer.fit"), title: t("viewer.fit_hint"), onclick: () => viewer.fit() }),
    el("button", { type: "button", text: t("unit.percent", { value: 100 }), title: t("viewer.actual_hint"), onclick: () => viewer.actual() }),
  );
  const node = el("div", { class: "tools row" }, zoom, side, ...(versions.length > 2 ? choices(viewer, versions) : []));
  return {
    node,
    update() {
      setText(percent, t("unit.percent", { value: Math.round(100 * viewer.view.zoom) }));
      side.setAttribute("aria-pressed", String(viewer.side));
    },
  };
}

/** A select for each side, where there are more than an original and one result. */
function choices(viewer, versions) {
  return [t("viewer.left"), t("viewer.right")].map((label, at) => {
    const select = el("select", { "aria-label": label });
    select.append(...versions.map((version, number) => el("option", { value: number, text: version.label })));
    select.value = versions.indexOf(viewer.shown[at]);
    select.addEventListener("change", () => viewer.show(at, versions[Number(select.value)]));
    return select;
  });
}
