// Another version answers from now on: asked for, explained, done.

import { number, t } from "../strings.js";
import { moment } from "../units.js";
import * as api from "./api.js";
import { confirm } from "./confirm.js";
import { say } from "./message.js";
import { isOlder } from "./versions.js";

/** Answers {job_id} or null, as the server does; undefined where the reader thought better of it.
 *  Raises Problem. */
export async function activate(collection, version, active) {
  const agreed = await confirm({
    title: t("activate_title", { name: collection }),
    sentences: sentences(version, active),
    action: t(isOlder(version, active) ? "roll_back" : "switch_to"),
  });
  if (!agreed) return undefined;
  say(t("activating", { name: version.name })); // servers may take a while to open it
  return api.activate(collection, version.name);
}

function sentences(version, active) {
  const words = [
    t("activate_what", {
      name: version.name,
      made: moment(version.created_at),
      images: t("image_count", { n: version.images, count: number(version.images) }),
    }),
    t("activate_since"),
    t("activate_undo"),
  ];
  if (active && active.model !== version.model) {
    words.splice(1, 0, t("activate_model", { from: active.model, to: version.model }));
  }
  return words;
}
