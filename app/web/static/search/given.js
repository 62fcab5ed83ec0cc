// Pictures that the reader gave to search by: made small here, kept in this tab alone.

import { Problem } from "../http.js";

const MOST_PX = 1024;
const QUALITY = 0.9;
const SMALL_BYTES = 500_000;
const MOST_KEPT = 8;
const PREFIX = "noongil_picture_";

const addresses = new Map();

/** Keeps a picture; answers the name under which it is found again. */
export async function keep(file) {
  const name = randomName();
  const address = await dataUrl(await smaller(file));
  addresses.set(name, address);
  store(name, address);
  return name;
}

/** As a data: URL; null where another tab has it, or nobody any more. */
export const addressOf = (name) =>
  addresses.get(name) ?? sessionStorage.getItem(PREFIX + name);

/** As the API takes it. Raises Problem, picture_gone. */
export function pictureOf(name) {
  const address = addressOf(name);
  if (!address) throw new Problem({ status: 404, code: "picture_gone", detail: "" });
  return { base64: address.slice(address.indexOf(",") + 1) };
}

/** A file that is small, or that only the server may be able to read, stays as it is. */
async function smaller(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return file;
  const scale = Math.min(1, MOST_PX / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && file.size <= SMALL_BYTES) return file;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // behind what is transparent, which JPEG is not
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

/** For a reload. Where there is no room, it lives as long as the page. */
function store(name, address) {
  const kept = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX)).sort();
  for (const key of kept.slice(0, Math.max(0, kept.length + 1 - MOST_KEPT))) {
    sessionStorage.removeItem(key);
  }
  try {
    sessionStorage.setItem(PREFIX + name, address);
  } catch {
    sessionStorage.removeItem(PREFIX + name);
  }
}

/** Later ones sort after earlier ones. */
function randomName() {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  return Date.now().toString(36) + random.toString(36);
}
