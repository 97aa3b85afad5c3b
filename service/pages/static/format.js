/** Format sizes, durations, times, numbers and operations as text. */

import { LANGUAGE, t, tWord } from "./text.js";

const DATE_FORMAT = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
const PLAIN = { useGrouping: false, maximumFractionDigits: 6 };
const ONE_DECIMAL = { minimumFractionDigits: 1, maximumFractionDigits: 1 };

/** One decimal below ten, none above. @param {number} value */
const short = (value) => (value < 9.95 ? value.toLocaleString(LANGUAGE, ONE_DECIMAL) : Math.round(value));

/** @param {number|null} bytes null: unknown */
export function formatSize(bytes) {
  if (bytes === null) return "-";
  if (bytes < 1000) return t("size.b", { value: bytes });
  if (bytes < 1e6) return t("size.kb", { value: short(bytes / 1e3) });
  if (bytes < 1e9) return t("size.mb", { value: short(bytes / 1e6) });
  return t("size.gb", { value: short(bytes / 1e9) });
}

/**
 * As limits are said, in units of 2^20 bytes.
 * @param {number} bytes @param {number} [limit] that it exceeds: with as many decimals as show that
 */
export function formatMebibytes(bytes, limit) {
  const value = (digits) => (bytes / 2 ** 20).toLocaleString(LANGUAGE, { maximumFractionDigits: digits });
  const enough = limit === undefined ? 3 : [1, 2, 4].find((digits) => Number((bytes / 2 ** 20).toFixed(digits)) > limit / 2 ** 20);
  return t("size.mib", { value: value(enough ?? 6) });
}

/** Where a picture comes from: the host of its link, or else its size. @param {import("./picture-list.js").Item} item */
export const formatSource = (item) => (item.link ? new URL(item.link).host : formatSize(item.size));

/** @param {number} seconds */
export function formatDuration(seconds) {
  if (seconds < 0.9995) return t("time.ms", { value: Math.max(0, Math.round(seconds * 1000)) });
  if (seconds < 120) return t("time.s", { value: short(seconds) });
  if (seconds < 7200) return t("time.min", { value: Math.round(seconds / 60) });
  if (seconds < 172800) return t("time.h", { value: Math.round(seconds / 3600) });
  return t("time.days", { count: Math.round(seconds / 86400) });
}

/** @param {string} from @param {string} to times of the API */
export const secondsBetween = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

/** @param {number} at time in ms since 1970 */
export const formatDate = (at) => DATE_FORMAT.format(at);

/** @param {number|null} number null: none */
export const formatNumber = (number) => (number ?? 0).toLocaleString(LANGUAGE);

/** @param {{width: number, height: number}} picture */
export const formatDimensions = ({ width, height }) => t("unit.dimensions", { width: `${width}`, height: `${height}` });

/** @param {string} text */
export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * The operations as a title, e.g. "Upscale ×2 → Thumbnail 300 × 300, as WebP".
 * @param {{op: string}[]} operations as the API takes them
 * @param {string} [format] of the results
 */
export function describeOperations(operations, format) {
  const steps = operations
    .map(({ op, ...values }) => {
      if (values.width && values.height) values = { ...values, width: formatDimensions(values), height: undefined };
      const given = Object.entries(values).filter(([, value]) => value !== undefined);
      const parameters = given.map(([name, value]) => {
        if (typeof value !== "number") return tWord("value", `${value}`);
        const shown = value.toLocaleString(LANGUAGE, PLAIN);
        return name === "scale" ? t("choice.scale", { value: shown }) : `${tWord("parameter", name)} ${shown}`;
      });
      return [capitalize(tWord("operation", op)), parameters.join(", ")].join(" ").trim();
    })
    .join(" → ");
  return format ? t("plan.as_format", { operations: steps, format: tWord("value", format) }) : steps;
}
