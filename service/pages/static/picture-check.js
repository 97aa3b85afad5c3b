/**
 * Judge a file before a byte of it is sent: whether it can be read, its bytes, its type and its pixels. The server checks
 * the same again, and more.
 */

import { formatMebibytes, formatNumber } from "./format.js";
import { LANGUAGE, t, tWord } from "./text.js";

/**
 * @typedef {object} Limits
 * @property {number} bytes
 * @property {number} pixels
 * @property {string[]} accepted formats, e.g. "png"
 */
/** @typedef {{width: number, height: number}|null} Size null: unknown */

const CHOICE = new Intl.ListFormat(LANGUAGE, { type: "disjunction" });
const DOCUMENT = /\.(docx|xlsx|pptx|od[tsp])$/i; // they are ZIP files, which people do not know
const START = 64; // bytes that tell the type
const BLOCK = 65_536; // bytes read at a time
const MAX_BLOCKS = 64; // a JPEG's size may follow a long profile; after that the server has to look

/** The first bytes of pictures, and of files that people mistake for some. `_` is any byte. */
const SIGNATURES = [
  ["\x89PNG\r\n\x1a\n", "png"],
  ["\xff\xd8\xff", "jpeg"],
  ["GIF8", "GIF"],
  ["RIFF____WEBP", "webp"],
  ["____ftypavi", "AVIF"],
  ["____ftyphe", "HEIC"],
  ["____ftypmif1", "HEIF"],
  ["____ftypmsf1", "HEIF"],
  ["____ftypcrx", "RAW"],
  ["____ftyp", "MP4"],
  ["\xff\x0a", "JPEG XL"],
  ["\0\0\0\x0cJXL ", "JPEG XL"],
  ["II*\0", "TIFF/RAW"],
  ["MM\0*", "TIFF/RAW"],
  ["BM", "BMP"],
  ["8BPS", "PSD"],
  ["%PDF", "PDF"],
  ["PK\x03\x04", "ZIP"],
  ["<svg", "SVG"],
  ["<?xml", "SVG/XML"],
  ["<!DOCTYPE", "HTML"],
  ["<html", "HTML"],
];

/** Formats that a kind may be: only the server looks further. */
const FORMATS = { "TIFF/RAW": ["tiff"], HEIF: ["heic", "avif"] };

/**
 * @param {File} file @param {Limits} limits
 * @returns {Promise<any>} a problem document as the API would send it, in the language of the page; null: it passes
 */
export async function checkPicture(file, limits) {
  const refuse = (code, detail, more) => ({ code, detail, lang: LANGUAGE, ...more });
  if (!file.size) return refuse("bad_request", t("refused.empty"), { measured: 0 });
  if (file.size > limits.bytes) {
    const values = { size: formatMebibytes(file.size, limits.bytes), limit: formatMebibytes(limits.bytes) };
    const more = { setting: "MAX_UPLOAD_BYTES", limit: limits.bytes, measured: file.size };
    return refuse("too_large", t("refused.bytes", values), more);
  }
  let start;
  try {
    start = await read(file, 0, START);
  } catch {
    return refuse("unreadable", t("refused.unreadable"));
  }
  const found = kindOf(start);
  const kind = (found === "ZIP" && DOCUMENT.exec(file.name)?.[1].toUpperCase()) || found;
  const accepted = CHOICE.format(limits.accepted.map((each) => each.toUpperCase()));
  if (!(FORMATS[kind] ?? [kind.toLowerCase()]).some((each) => limits.accepted.includes(each))) {
    const detail = kind ? t("refused.kind", { kind: tWord("value", kind), accepted }) : t("refused.no_picture", { accepted });
    return refuse("unsupported_format", detail, { accepted: limits.accepted });
  }
  const readSize = { png: pngSize, jpeg: jpegSize }[kind];
  const size = readSize ? await readSize(file).catch(() => null) : null;
  const pixels = size ? size.width * size.height : 0;
  if (pixels <= limits.pixels) return null;
  const area = {
    width: formatNumber(size.width),
    height: formatNumber(size.height),
    pixels: formatNumber(Math.ceil(pixels / 1e5) / 10),
    limit: formatNumber(limits.pixels / 1e6),
  };
  const more = { setting: "MAX_PIXELS", limit: limits.pixels, measured: pixels };
  return refuse("too_many_pixels", t("refused.pixels", area), more);
}

/** @returns {Promise<DataView>} */
const read = async (file, from, length) => new DataView(await file.slice(from, from + length).arrayBuffer());

/** @param {DataView} start @returns {string} an accepted format, another kind of file, or "" */
function kindOf(start) {
  const bytes = new Uint8Array(start.buffer);
  const matches = (signature) => [...signature].every((each, at) => each === "_" || each.charCodeAt(0) === bytes[at]);
  return SIGNATURES.find(([signature]) => matches(signature))?.[1] ?? "";
}

/** @param {File} file @returns {Promise<Size>} from its IHDR chunk, which comes first (PNG, 11.2.1) */
async function pngSize(file) {
  const header = await read(file, 0, 24);
  return { width: header.getUint32(16), height: header.getUint32(20) };
}

/** @param {File} file @returns {Promise<Size>} from the frame header (ITU-T T.81, B.2.2); null: it has none */
async function jpegSize(file) {
  let [at, from] = [2, 0];
  let block = await read(file, 0, BLOCK);
  for (let blocks = 1; at + 9 <= file.size; ) {
    if (at + 9 > from + block.byteLength) {
      if (++blocks > MAX_BLOCKS) return null;
      [from, block] = [at, await read(file, at, BLOCK)];
    }
    const here = at - from;
    const marker = block.getUint8(here + 1);
    if (block.getUint8(here) !== 0xff) return null;
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return { width: block.getUint16(here + 7), height: block.getUint16(here + 5) };
    const alone = marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    at += marker === 0xff ? 1 : alone ? 2 : 2 + block.getUint16(here + 2);
  }
  return null;
}
