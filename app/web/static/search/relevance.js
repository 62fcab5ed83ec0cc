/** Relevance from which a picture counts as found: with everyday queries the right pictures
 *  reach 0.5 and more, the first wrong one 0.2 to 0.35. */
export const CLOSE = 0.4;

export const isClose = (hit) => hit.relevance >= CLOSE;
