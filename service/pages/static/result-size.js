/** The sizes of results, as the operations compute them, and the seconds that a task takes. */

/** @typedef {{width: number, height: number}} Size */

const scaled = (size, factor) => ({
  width: Math.max(1, Math.round(size.width * factor)),
  height: Math.max(1, Math.round(size.height * factor)),
});

/** What each operation makes of a size; one that is not here keeps it. */
const RULES = {
  upscale: (size, { scale = 2 }) => scaled(size, scale),
  resize(size, { scale, width, height, fit }) {
    if (scale !== undefined) return scaled(size, scale);
    if (width === undefined && height === undefined) return size;
    if (fit === "contain" && width && height) return scaled(size, Math.min(width / size.width, height / size.height));
    return {
      width: width ?? Math.max(1, Math.round((size.width * height) / size.height)),
      height: height ?? Math.max(1, Math.round((size.height * width) / size.width)),
    };
  },
  thumbnail(size, { width, height, fit }) {
    const box = [width ?? height ?? 100, height ?? width ?? 100];
    if (fit === "pad") return { width: box[0], height: box[1] };
    if (fit === "cover") return { width: Math.min(box[0], size.width), height: Math.min(box[1], size.height) };
    return scaled(size, Math.min(1, box[0] / size.width, box[1] / size.height));
  },
  split: (size) => scaled(size, 0.5),
  crop: (size, { width, height }) => (width && height ? { width, height } : size),
  smartcrop(size, { ratio = "1:1", width, height }) {
    if (width && height && width <= size.width && height <= size.height) return { width, height };
    const [across, down] = width && height ? [width, height] : ratio.split(":").map(Number);
    return scaled({ width: across, height: down }, Math.min(size.width / across, size.height / down));
  },
  rotate: (size, { angle }) => (angle % 180 ? { width: size.height, height: size.width } : size),
};

/** @param {Size} size @param {{op: string}[]} operations @returns {Size} of each result */
export const resultSize = (size, operations) =>
  operations.reduce((before, { op, ...values }) => RULES[op]?.(before, values) ?? before, size);

const megapixels = ({ width, height }) => (width * height) / 1e6;

/** Operations that a network does. */
const NETWORKS = ["upscale", "restore"];

/** Qualities of upscale that run the photo network, of which `strength` takes a share. */
export const BLENDED = ["photo", "auto"];

/** The networks of an operation: photo is blended with balanced, unless `strength` takes only one of them. */
function networks({ op, scale = op === "restore" ? 1 : 2, quality = "balanced", model = `darkroom-${quality}`, strength }) {
  if (op === "restore") return strength === 0 ? [] : ["darkroom-photo-x1"];
  if (model !== "darkroom-photo") return [`${model}-x${scale}`];
  return [strength !== 0 && model, strength !== 100 && "darkroom-balanced"].filter(Boolean).map((name) => `${name}-x${scale}`);
}

/**
 * The seconds that operations take.
 * @param {Size} size @param {{op: string}[]} operations
 * @param {Record<string, number>} prices `seconds_per_megapixel` of GET /operations
 * @returns {number|null} null: unknown
 */
function expectedSeconds(size, operations, prices) {
  let seconds = 0;
  for (const operation of operations) {
    const before = megapixels(size);
    size = resultSize(size, [operation]);
    const parts = NETWORKS.includes(operation.op)
      ? networks(operation).map((name) => before * prices[`${operation.op} ${name}`])
      : [Math.max(before, megapixels(size)) * prices[operation.op]];
    seconds += parts.reduce((sum, each) => sum + each, 0);
  }
  return Number.isNaN(seconds) ? null : seconds;
}

/**
 * The seconds that a task takes alone, from its upload to its result; null: unknown.
 * @param {Size & {name: string}} picture @param {{op: string}[]} operations
 * @param {string} format of the result, "" for that of the picture @param {Record<string, number>} prices
 */
export function taskSeconds(picture, operations, format, prices) {
  const type = /\.jpe?g$/i.test(picture.name) ? "jpeg" : "png";
  const convert = operations.findLast(({ op }) => op === "convert");
  if (convert?.frames === "all") return null; // how many there are is not known here
  const written = convert?.quality === "lossless" ? "lossless" : convert?.format || format || type;
  const results = operations.some(({ op }) => op === "split") ? 4 : 1;
  const area = results * megapixels(resultSize(picture, operations));
  const work = expectedSeconds(picture, operations, prices);
  const seconds = prices.store + megapixels(picture) * prices[`decode ${type}`] + area * prices[`encode ${written}`];
  return work === null || Number.isNaN(seconds) ? null : seconds + work;
}
