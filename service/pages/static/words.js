/** Numbers and states as people say them. */

/** @param {number|null} bytes null: nobody knows */
export function size(bytes) {
  if (bytes === null) return "-";
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] =
    bytes < 1e6 ? [bytes / 1e3, "kB"] : bytes < 1e9 ? [bytes / 1e6, "MB"] : [bytes / 1e9, "GB"];
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.9995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** @param {number} count @param {string} one e.g. "picture" */
export const count = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

/** @param {{width: number, height: number}} it */
export const sides = (it) => `${it.width} × ${it.height}`;

const STATES = {
  chosen: ["chosen", ""],
  waiting: ["waiting to be sent", "wait"],
  sending: ["sending", "wait"],
  working: ["in work", "wait"],
  done: ["done", "good"],
  failed: ["failed", "bad"],
  cancelled: ["cancelled", ""],
};

/**
 * @param {import("./pictures.js").Item} item
 * @returns {[string, string]} the state as words, and the class of its chip
 */
export function state(item) {
  if (item.note && ["sending", "working"].includes(item.state)) return ["on hold", "wait"];
  if (item.state === "working" && item.task?.status === "CREATED") return ["in the queue", "wait"];
  return STATES[item.state];
}

/**
 * How far a picture is, as one line.
 * @param {import("./pictures.js").Item} item
 */
export function standing(item) {
  if (item.note) return item.note;
  if (item.state === "sending") return `${Math.round(100 * (item.sent ?? 0))} % sent`;
  if (item.state !== "working") return "";
  const left = item.eta >= 1 ? `, about ${duration(item.eta)} left` : "";
  if (item.position) return `${count(item.position, "task")} before it${left}`;
  // Of the tasks of a group, and of one that is asked for, nobody says how many are before it.
  const turn = item.position === 0 ? "next in the queue" : "waits for its turn";
  if (item.task?.status === "CREATED") return turn + left;
  return `${item.task?.progress ?? 0} %${left}`;
}

/**
 * What operations do, as a title.
 * @param {{op: string}[]} operations as the API takes them
 */
export function plan(operations) {
  return operations
    .map(({ op, ...values }) => {
      const said = Object.entries(values).map(([name, value]) => {
        if (name === "scale") return `×${value}`;
        return typeof value === "number" ? `${name} ${value}` : `${value}`;
      });
      const title = op.charAt(0).toUpperCase() + op.slice(1);
      return [title, said.join(", ")].join(" ").trim();
    })
    .join(" → ");
}
