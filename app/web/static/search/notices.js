// What is said of a search that cannot be answered, and of a collection that holds nothing.

import { indexCommand, problemNotice } from "../notices.js";
import { t } from "../strings.js";

const WORDS = {
  unknown_collection: "unknown_collection",
  not_found: "image_gone",
  picture_gone: "picture_gone",
  invalid_request: "invalid",
  invalid_input: "invalid",
};

export function searchNotice(
  problem,
  { collection, collections, onRetry, onStart, onCollection, onWithoutPicture },
) {
  switch (WORDS[problem.code] ?? (problem.status === 422 ? "invalid" : null)) {
    case "unknown_collection":
      return unknownCollection(collection, collections ?? [], onCollection);
    case "image_gone":
      return { grave: true, title: t("image_gone"), hint: t("image_gone_hint"), actions: [start(onStart)] };
    case "picture_gone":
      return {
        title: t("picture_gone"),
        hint: t("picture_gone_hint"),
        actions: [{ label: t("without_picture"), run: onWithoutPicture }],
      };
    case "invalid":
      return { grave: true, title: t("invalid"), detail: problem.detail, actions: [start(onStart)] };
    default:
      return problemNotice(problem, { onRetry });
  }
}

function unknownCollection(name, collections, onCollection) {
  const others = collections.filter((other) => other.name !== name);
  return {
    grave: true,
    title: t("unknown_collection", { name }),
    hint: others.length ? t("other_collections") : t("empty_hint"),
    command: others.length ? null : indexCommand(name),
    actions: others.map((other) => ({ label: other.name, run: () => onCollection(other.name) })),
  };
}

const start = (run) => ({ label: t("start_over"), run });
