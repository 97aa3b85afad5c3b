/** The sizes of results, as the operations compute them, and what to expect of a task: sizes, seconds and bytes. */

/** @typedef {{width: number, height: number}} Size */

const scaled = (size, factor) => ({
  width: Math.max(1, Math.round(size.width * factor)),
  height: Math.max(1, Math.round(size.height * factor)),
});

/** What each operation makes of a size; one that is not here keeps it. */
const RULES = {
  upscale: (size, { scale = 2 }) => scaled(size, scale),
  resize(size, { scale, width, height }) {
    if (scale !== undefined) return scaled(size, scale);
    if (width === undefined && height === undefined) return size;
    return {
      width: width ?? Math.max(1, Math.round((size.width * height) / size.height)),
      height: height ?? Math.max(1, Math.round((size.height * width) / size.width)),
    };
  },
  thumbnail(size, { width, height }) {
    const box = [width ?? height ?? 100, height ?? width ?? 100];
    return scaled(size, Math.min(1, box[0] / size.width, box[1] / size.height));
  },
  split: (size) => scaled(size, 0.5),
  crop: (size, { width, height }) => (width && height ? { width, height } : size),
  rotate: (size, { angle }) => (angle % 180 ? { width: size.height, height: size.width } : size),
};

/** @param {Size} size @param {{op: string}[]} operations @returns {Size} of each result */
export const resultSize = (size, operations) =>
  operations.reduce((before, { op, ...values }) => RULES[op]?.(before, values) ?? before, size);

/** Qualities of upscale that run the photo network, of which `strength` takes a share. */
export const BLENDED = ["photo", "auto"];

/** The networks that upscale runs: photo is blended with balanced, unless `strength` takes only one of them. */
function networks({ quality = "balanced", model = `darkroom-${quality}`, strength }) {
  if (model !== "darkroom-photo") return [model];
  return [strength !== 0 && model, strength !== 100 && "darkroom-balanced"].filter(Boolean);
}

/**
 * The seconds that the networks of a pipeline take; other steps hardly count.
 * @param {Size} size @param {{op: string}[]} operations
 * @param {any[]} models of upscale, with `seconds_per_megapixel`
 * @returns {number|null} null: unknown, as for auto, which measures the picture, and for restore
 */
export function expectedSeconds(size, operations, models) {
  let seconds = 0;
  for (const [at, operation] of operations.entries()) {
    if (operation.op === "restore") return null;
    if (operation.op !== "upscale") continue;
    const { width, height } = resultSize(size, operations.slice(0, at));
    for (const model of networks(operation)) {
      const network = models.find((each) => each.model === model && each.scale === (operation.scale ?? 2));
      if (!network) return null;
      seconds += (width * height * network.seconds_per_megapixel) / 1e6;
    }
  }
  return seconds;
}
