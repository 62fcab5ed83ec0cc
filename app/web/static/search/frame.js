// The part of a picture that was found, framed: {x, y, width, height} in fractions of the picture.

/** `shape` is the box's width / height; the picture covers it (object-fit: cover) and is cut off. */
export function frameInCover(frame, { region, width, height }, shape) {
  frame.hidden = !region;
  if (!region) return;
  const ratio = width / height || 1;
  const seen = { width: Math.min(1, shape / ratio), height: Math.min(1, ratio / shape) };
  const [left, right] = within(region.x, region.width, seen.width);
  const [top, bottom] = within(region.y, region.height, seen.height);
  place(frame, left, top, right - left, bottom - top);
}

/** The picture lies whole in its box (object-fit: contain), with room left beside or above it. */
export function frameInContain(frame, image, region) {
  frame.hidden = !region || !image.naturalWidth || image.hidden;
  if (frame.hidden) return;
  const box = { width: image.clientWidth, height: image.clientHeight };
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
  const width = image.naturalWidth * scale;
  const height = image.naturalHeight * scale;
  const left = image.offsetLeft + (box.width - width) / 2 + region.x * width;
  const top = image.offsetTop + (box.height - height) / 2 + region.y * height;
  Object.assign(frame.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${region.width * width}px`,
    height: `${region.height * height}px`,
  });
}

/** From fractions of the picture to those of its middle part `seen`; what is cut off ends there. */
function within(start, length, seen) {
  const hidden = (1 - seen) / 2;
  const ends = [start, start + length].map((end) => (end - hidden) / seen);
  return ends.map((end) => Math.min(Math.max(end, 0), 1));
}

function place(frame, ...fractions) {
  const names = ["left", "top", "width", "height"];
  names.forEach((name, at) => (frame.style[name] = `${fractions[at] * 100}%`));
}
