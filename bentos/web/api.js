// The calls of the page; every answer comes as a state to show, a failure too.

import { MAX_BYTES } from "./photo.js";

const ASK_AGAIN_MS = 400;
const TRIES = 40;

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

/** What was read on the photo of a search, once it is read; null if nobody can tell. */
export async function articlesOf(queryId, signal) {
  for (let tried = 0; tried < TRIES; tried += 1) {
    await pause(ASK_AGAIN_MS);
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
      await pause(Number(response.headers.get("Retry-After")) * 1000);
      response = await fetch(path);
    }
    if (!response.ok) return null;
    return URL.createObjectURL(await response.blob());
  } catch {
    return null;
  }
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
