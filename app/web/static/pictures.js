// Pictures of the API in <img>. One cannot send a key: with one, a picture is fetched beside it.

import { fetchWith } from "./http.js";
import { key } from "./key.js";

const AHEAD_PX = 600;
const wanted = new WeakMap();

const nearby = new IntersectionObserver(onNearby, { rootMargin: `${AHEAD_PX}px` });

/** A failure is the image's own `error` event, whichever way the picture comes. */
export function showPicture(image, url) {
  if (wanted.get(image)?.url === url) return;
  forget(image);
  if (!key()) {
    image.src = url;
    return;
  }
  image.removeAttribute("src");
  wanted.set(image, { url, controller: new AbortController() });
  if (image.loading === "lazy") nearby.observe(image);
  else load(image);
}

export function forget(image) {
  wanted.get(image)?.controller.abort();
  wanted.delete(image);
  nearby.unobserve(image);
}

function onNearby(entries) {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    load(target);
  }
}

async function load(image) {
  const { url, controller } = wanted.get(image);
  try {
    const response = await fetchWith(key(), url, { signal: controller.signal });
    if (!response.ok) throw new Error(response.statusText);
    show(image, await response.blob());
  } catch {
    if (!controller.signal.aborted) image.dispatchEvent(new Event("error"));
  }
}

/** Once it has come, the picture lives on in the image alone. */
function show(image, blob) {
  const address = URL.createObjectURL(blob);
  const revoke = () => URL.revokeObjectURL(address);
  image.addEventListener("load", revoke, { once: true });
  image.addEventListener("error", revoke, { once: true });
  image.src = address;
}
