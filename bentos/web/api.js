// The calls of the page; every answer comes as a state to show, a failure too.

import { MAX_BYTES } from "./photo.js";

const READING_MS = 16_000;
const FIRST_LOOK_MS = 400; // much is read by then
const RESTS_MS = [1000, 2000, 3000]; // between the next looks; the last one stays
const STILL = [202, 429, 503]; // being read, too many calls, busy

/** Searches what is asked for: by photo, by words, or by likeness to a card.
 *
 * `offset` leaves out what earlier pages showed; `shopper` is a key, or null: see shopper.js.
 */
export async function search(ask, { limit, offset, shopper }, signal) {
  const wishes = wishesOf(ask, { limit, offset });
  if (shopper !== null) wishes.push(["shopper", shopper]); // for the arm of an experiment
  if (ask.card !== null) {
    const said = new URLSearchParams(wishes.filter(([name]) => name !== "text"));
    const id = encodeURIComponent(ask.card.card_id);
    return await answerOf(`v1/cards/${id}/similar?${said}`, { signal });
  }
  const form = new FormData();
  for (const [name, value] of wishes) form.append(name, value);
  for (const list of ["liked", "disliked"]) {
    const ids = ask[list].map((card) => card.card_id);
    if (ids.length > 0) form.append(list, JSON.stringify(ids));
  }
  const sent = { method: "POST", body: form, signal };
  if (ask.photo === null) return await answerOf("v1/search/text", sent);
  const { file } = ask.photo;
  if (file.size > MAX_BYTES) return { kind: "failed", status: 413 };
  form.append("photo", file, file.name);
  if (ask.box !== null) form.append("box", inPixels(ask.box, ask.photo).join(","));
  return await answerOf("v1/search", sent);
}

/** What was read on the photo of a search, once it is read; null if nobody can tell in time. */
export async function articlesOf(queryId, signal) {
  let left = READING_MS;
  let rest = FIRST_LOOK_MS;
  for (let tried = 0; rest <= left; tried += 1) {
    await pause(rest);
    if (signal.aborted) return null;
    left -= rest;
    try {
      const response = await fetch(`v1/queries/${queryId}/articles`, { signal });
      if (!STILL.includes(response.status)) return response.ok ? await response.json() : null;
      rest = Math.max(RESTS_MS[tried] ?? RESTS_MS.at(-1), toldRest(response));
    } catch {
      return null;
    }
  }
  return null;
}

/** What a GET call answers; null where there is no such thing, or no answer. */
export async function lookUp(path) {
  try {
    const response = await fetch(path);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** A picture as an address for an img; null where the service has none, or is busy twice. */
export async function pictureAt(path) {
  try {
    let response = await fetch(path);
    if (response.status === 503) {
      await pause(toldRest(response));
      response = await fetch(path);
    }
    if (!response.ok) return null;
    return URL.createObjectURL(await response.blob());
  } catch {
    return null;
  }
}

/** Milliseconds of a Retry-After in seconds; 0 where there is none. */
function toldRest({ headers }) {
  return (Number(headers.get("Retry-After")) || 0) * 1000;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function answerOf(path, options) {
  try {
    const response = await fetch(path, options);
    if (response.ok) return { kind: "found", answer: await response.json() };
    return { kind: "failed", status: response.status };
  } catch {
    return { kind: "failed", status: 0 };
  }
}

function wishesOf({ text, where, isExplained }, { limit, offset }) {
  const wishes = [["limit", limit], ["offset", offset]];
  if (text !== "") wishes.push(["text", text]);
  if (Object.keys(where).length > 0) wishes.push(["where", JSON.stringify(where)]);
  if (isExplained) wishes.push(["explain", "true"]);
  return wishes;
}

function inPixels(box, { width, height }) {
  const sides = [box.left * width, box.top * height, box.right * width, box.bottom * height];
  return sides.map(Math.round);
}
