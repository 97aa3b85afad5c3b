/**
 * Estimate the bytes of a result: a part of the picture is drawn in the result's scale and encoded by the browser. A
 * network draws more detail than a browser, so the file becomes a little larger than this says.
 */

import { byId } from "./dom.js";

const SIDE = 512; // pixels of the part; larger ones take long on a phone

/** The server's quality of JPEG and WebP, where none is named. */
const { jpegQuality, webpQuality } = byId("upload-form").dataset;

/**
 * @param {Blob} file the original
 * @param {{width: number, height: number}} result
 * @param {string} format "png", "jpeg" or "webp"; "": that of the original
 * @param {number|undefined} quality of JPEG and WebP, 1 to 100
 * @returns {Promise<number|null>} bytes; null: this browser cannot tell
 */
export async function estimateBytes(file, result, format, quality) {
  const type = format ? `image/${format}` : file.type;
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return null;
  const scale = result.width / image.width;
  const [wide, high] = [Math.min(SIDE, result.width), Math.min(SIDE, result.height)];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [wide, high];
  const [partWide, partHigh] = [Math.min(image.width, wide / scale), Math.min(image.height, high / scale)];
  const [left, top] = [(image.width - partWide) / 2, (image.height - partHigh) / 2];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, partWide, partHigh, 0, 0, wide, high);
  image.close();
  const usual = Number(type === "image/webp" ? webpQuality : jpegQuality);
  const made = await new Promise((done) => canvas.toBlob(done, type, (quality ?? usual) / 100));
  if (!made || made.type !== type) return null;
  return (made.size * result.width * result.height) / (wide * high);
}
