// From an address to the request that the API is asked.

import { pictureOf } from "./given.js";

export const PAGE = 60;
export const MOST = 1000;
const GLANCE = { text: "아름다운 풍경", k: 24 };
const AWAY = -0.5;

/** Whether the order of the answer means something: there is something to come near to. */
export const isRanked = ({ q, picture, similar }) => Boolean(q || picture || similar.length);

/** Whether anything is asked at all, or the page shows pictures to begin with. */
export const isAsked = (address) =>
  isRanked(address) ||
  Boolean(address.sort || address.unlike.length || address.without.length) ||
  Object.keys(address.filter).length > 0;

/** Raises Problem where a picture was given in another tab. */
export function requestOf(address) {
  const { q, verbatim, picture, similar, unlike, without, filter, sort } = address;
  const [nearest, ...others] = similar.map((id) => ({ image: { id } }));
  const given = picture && { image: pictureOf(picture) };
  const text = isRanked(address) ? q : GLANCE.text;
  return {
    ...(text && { text }),
    ...(verbatim && { verbatim }),
    ...(given || nearest),
    queries: [
      ...(given && nearest ? [nearest] : []),
      ...others,
      ...unlike.map((id) => ({ image: { id }, weight: AWAY })),
      ...without.map((words) => ({ text: words, weight: AWAY })),
    ],
    filter,
    ...(sort && { sort }),
    k: isAsked(address) ? PAGE : GLANCE.k,
    include: ["regions"],
  };
}
