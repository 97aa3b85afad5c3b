/**
 * Find the most detailed part of a picture: the window with the greatest sum of differences between neighbouring
 * pixels' brightness, measured on a copy of at most 384 pixels a side. A window at the edge needs a fifth more than one
 * in the middle, since that is where people put their subject.
 */

const SIDE = 384;
const EDGE_PENALTY = 0.2;

/** A small copy of an image. @param {HTMLImageElement} image loaded @returns {HTMLCanvasElement} */
export function shrink(image) {
  const scale = Math.min(1, SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "medium";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{width: number, height: number}} part sides of the window, as shares of the picture's, 0 to 1
 * @returns {{x: number, y: number}} the middle of the window, as shares
 */
export function findDetail(canvas, part) {
  const { width, height } = canvas;
  const wide = Math.max(1, Math.round(Math.min(1, part.width) * width));
  const high = Math.max(1, Math.round(Math.min(1, part.height) * height));
  const sums = sumDetail(canvas.getContext("2d").getImageData(0, 0, width, height).data, width, height);
  const row = width + 1;
  let best = -1;
  let found = { x: 0.5, y: 0.5 };
  for (let top = 0; top + high <= height; top += 2) {
    for (let left = 0; left + wide <= width; left += 2) {
      const [from, to] = [top * row + left, (top + high) * row + left];
      const sum = sums[to + wide] - sums[to] - sums[from + wide] + sums[from];
      const middle = { x: (left + wide / 2) / width, y: (top + high / 2) / height };
      const off = Math.max(Math.abs(middle.x - 0.5), Math.abs(middle.y - 0.5)) * 2;
      const score = sum * (1 - EDGE_PENALTY * off);
      if (score > best) [best, found] = [score, middle];
    }
  }
  return found;
}

/** Sums of the detail above and left of each point, so that a window costs four look-ups. */
function sumDetail(data, width, height) {
  const luma = (at) => 0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2];
  const row = width + 1;
  const sums = new Float64Array(row * (height + 1));
  for (let y = 0; y < height; y++) {
    let line = 0;
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const here = luma(at);
      if (x + 1 < width) line += Math.abs(luma(at + 1) - here);
      if (y + 1 < height) line += Math.abs(luma(at + width) - here);
      sums[(y + 1) * row + x + 1] = sums[y * row + x + 1] + line;
    }
  }
  return sums;
}
