// The calls of the page; every answer comes as a state to show, a failure too.

import { MAX_BYTES } from "./photo.js";
import { words } from "./words.js";

const ASK_AGAIN_MS = 400;
const TRIES = 40;

/** Searches a photo.
 *
 * `box` is in pixels, null lets the server choose; `where` narrows, `offset` leaves out what earlier
 * pages showed.
 */
export async function searchPhoto(photo, { box, where, limit, offset }, signal) {
  if (photo.size > MAX_BYTES) {
    return { kind: "failed", status: 413, detail: words().tooLarge(MAX_BYTES / 1e6) };
  }
  const form = new FormData();
  form.append("photo", photo, photo.name);
  form.append("limit", limit);
  form.append("offset", offset);
  if (box !== null) form.append("box", box.join(","));
  if (Object.keys(where).length > 0) form.append("where", JSON.stringify(where));
  try {
    const response = await fetch("v1/search", { method: "POST", body: form, signal });
    if (response.ok) return { kind: "found", answer: await response.json() };
    const problem = await response.json().catch(() => ({ detail: response.statusText }));
    return { kind: "failed", status: response.status, detail: problem.detail };
  } catch {
    return { kind: "failed", status: 0, detail: words().noConnection };
  }
}

/** What was read on the photo of a search, once it is read; null if nobody can tell. */
export async function articlesOf(queryId, signal) {
  for (let tried = 0; tried < TRIES; tried += 1) {
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    if (signal.aborted) return null;
    try {
      const response = await fetch(`v1/queries/${queryId}/articles`, { signal });
      if (!response.ok) return null;
      if (response.status !== 202) return await response.json();
    } catch {
      return null;
    }
  }
  return null;
}
