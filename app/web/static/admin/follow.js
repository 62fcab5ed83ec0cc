// A job is followed to its end, over as many connections as that takes.

import { Problem } from "../http.js";
import { pause } from "../latest.js";
import * as api from "./api.js";

/** Raises Problem where there is no use in trying again. */
export async function follow(id, onJob, signal) {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      for await (const job of api.follow(id, signal)) {
        if (signal.aborted) return;
        attempt = 0;
        onJob(job);
        if (!api.isUnfinished(job)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      // A connection that breaks off in the middle is a TypeError.
      if (error instanceof Problem && !error.passes) throw error;
      if (!(error instanceof Problem || error instanceof TypeError)) throw error;
    }
    await pause(attempt, signal);
  }
}
