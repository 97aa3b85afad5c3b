/** Format sizes, durations, states and operations as text. */

/** @param {number|null} bytes null: unknown */
export function formatSize(bytes) {
  if (bytes === null) return "-";
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] =
    bytes < 1e6 ? [bytes / 1e3, "kB"] : bytes < 1e9 ? [bytes / 1e6, "MB"] : [bytes / 1e9, "GB"];
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** @param {number} seconds */
export function formatDuration(seconds) {
  if (seconds < 0.9995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** @param {number} count @param {string} one e.g. "picture" */
export const plural = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

/** @param {{width: number, height: number}} picture */
export const formatDimensions = (picture) => `${picture.width} × ${picture.height}`;

const STATES = {
  chosen: ["chosen", ""],
  waiting: ["waiting to upload", "wait"],
  sending: ["uploading", "wait"],
  working: ["running", "wait"],
  done: ["done", "good"],
  failed: ["failed", "bad"],
  cancelled: ["cancelled", ""],
};

/**
 * @param {import("./picture-list.js").Item} item
 * @returns {[string, string]} the label of its state, and the CSS class of the chip
 */
export function stateLabel(item) {
  if (item.note && ["sending", "working"].includes(item.state)) return ["on hold", "wait"];
  if (item.state === "working" && item.task?.status === "CREATED") return ["in the queue", "wait"];
  return STATES[item.state];
}

/**
 * The progress of a picture as one line of text.
 * @param {import("./picture-list.js").Item} item
 */
export function progressText(item) {
  if (item.note) return item.note;
  if (item.state === "sending") return `${Math.round(100 * (item.sent ?? 0))} % uploaded`;
  if (item.state !== "working") return "";
  const left = item.eta >= 1 ? `, about ${formatDuration(item.eta)} left` : "";
  if (item.position) return `${plural(item.position, "task")} ahead of it${left}`;
  // The position is unknown for tasks of a group and for tasks that are polled.
  const place = item.position === 0 ? "next in the queue" : "waiting in the queue";
  if (item.task?.status === "CREATED") return place + left;
  return `${item.task?.progress ?? 0} %${left}`;
}

/**
 * The operations as a title, e.g. "Upscale ×2 → Blur".
 * @param {{op: string}[]} operations as the API takes them
 */
export function describeOperations(operations) {
  return operations
    .map(({ op, ...values }) => {
      const parameters = Object.entries(values).map(([name, value]) => {
        if (name === "scale") return `×${value}`;
        return typeof value === "number" ? `${name} ${value}` : `${value}`;
      });
      const title = op.charAt(0).toUpperCase() + op.slice(1);
      return [title, parameters.join(", ")].join(" ").trim();
    })
    .join(" → ");
}
