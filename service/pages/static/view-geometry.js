/**
 * Where a picture stands in a frame, as pure functions. A view has the picture's point in the middle of the frame, in
 * pixels of the picture, and a zoom in pixels of the screen for each of them: 1 is 100 %. A frame is measured in pixels
 * of the screen.
 */

/** @typedef {{zoom: number, x: number, y: number}} View */
/** @typedef {{width: number, height: number}} Size */

const MIN_ZOOM = 0.25;
const MAX_ZOOM = 8;
/** From this zoom on single pixels are shown as squares. */
export const CRISP_ZOOM = 2;

/** The zoom that shows the whole picture, at most at 100 %. @param {Size} picture @param {Size} frame */
export const fitZoom = (picture, frame) =>
  Math.min(1, frame.width / picture.width, frame.height / picture.height);

const SMALLEST = 160; // CSS pixels: less would lie under the handle of the divider

/**
 * The zoom that a picture opens with: 100 %, or as many times as an icon needs to be seen.
 * @param {Size} picture @param {number} density pixels of the screen for each CSS pixel
 */
export const openingZoom = ({ width, height }, density) =>
  Math.min(MAX_ZOOM, Math.max(1, Math.ceil((SMALLEST * density) / Math.max(width, height))));

/**
 * The nearest view that is allowed: zoomed within the limits, and without empty space beside a picture that is larger
 * than the frame. A smaller one stands in the middle.
 * @param {View} view @param {Size} picture @param {Size} frame @returns {View}
 */
export function clampView(view, picture, frame) {
  const zoom = Math.min(MAX_ZOOM, Math.max(Math.min(MIN_ZOOM, fitZoom(picture, frame)), view.zoom));
  const place = (at, side, visible) =>
    side * zoom <= visible ? side / 2 : Math.min(side - visible / zoom / 2, Math.max(visible / zoom / 2, at));
  return { zoom, x: place(view.x, picture.width, frame.width), y: place(view.y, picture.height, frame.height) };
}

/**
 * Zoom by a factor; the point of the picture under `point` stays there.
 * @param {View} view @param {number} factor @param {{x: number, y: number}} point from the middle of the frame
 * @param {Size} picture @param {Size} frame @returns {View}
 */
export function zoomAt(view, factor, point, picture, frame) {
  const { zoom } = clampView({ ...view, zoom: view.zoom * factor }, picture, frame);
  const shift = 1 / view.zoom - 1 / zoom;
  return clampView({ zoom, x: view.x + point.x * shift, y: view.y + point.y * shift }, picture, frame);
}

/** Move the picture by pixels of the screen. @param {View} view @returns {View} */
export const panBy = (view, dx, dy, picture, frame) =>
  clampView({ ...view, x: view.x - dx / view.zoom, y: view.y - dy / view.zoom }, picture, frame);

/** The part of the picture that is visible, as shares of its sides. @param {View} view */
export function visiblePart(view, picture, frame) {
  const width = Math.min(1, frame.width / view.zoom / picture.width);
  const height = Math.min(1, frame.height / view.zoom / picture.height);
  return { left: view.x / picture.width - width / 2, top: view.y / picture.height - height / 2, width, height };
}
