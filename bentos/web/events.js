// Tells the service what a shopper did with the cards: seen, opened, looked at for so long.

import { newKey } from "./shopper.js";

const EVENTS_AT = "v1/events";
const REST_MS = 3000;
const SENT_MOST = 100; // a request that outlives the page may have 64 KB
const WAITING_MOST = 500;
const REFUSALS = [400, 401, 404, 413, 415, 501]; // the same will not do later either

/** Gathers events and sends them in batches, also when the page is left.
 *
 * `shopper` null: nothing is told. A service that keeps no events (501, or another refusal) is not
 * asked again for this visit; without a connection, or after any other failure, events wait, and
 * one that is sent twice is kept once, by its id.
 */
export function eventLog(shopper) {
  let waiting = [];
  let isOff = shopper === null;
  let rest = 0;

  function tell(kind, { cardId, queryId = null, rank = null, viewMs = null }) {
    if (isOff) return;
    const event = { event_id: newKey(), kind, shopper, card_id: cardId, at: now() };
    if (queryId !== null) event.query_id = queryId;
    if (rank !== null) event.rank = rank;
    if (viewMs !== null) event.view_ms = viewMs;
    waiting = [...waiting, event].slice(-WAITING_MOST);
    rest ||= setTimeout(send, REST_MS);
  }

  async function send() {
    clearTimeout(rest);
    rest = 0;
    const batch = waiting.slice(0, SENT_MOST);
    if (isOff || batch.length === 0) return;
    waiting = waiting.slice(SENT_MOST);
    const status = await post(batch);
    isOff = REFUSALS.includes(status);
    const isLater = !isOff && status !== 200;
    if (isLater) waiting = [...batch, ...waiting].slice(-WAITING_MOST);
    if (isOff) waiting = [];
    else if (waiting.length > 0) rest ||= setTimeout(send, isLater ? 10 * REST_MS : REST_MS);
  }

  addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") send();
  });
  addEventListener("pagehide", send);
  return { tell };
}

async function post(events) {
  const body = JSON.stringify({ events });
  const headers = { "Content-Type": "application/json" };
  try {
    return (await fetch(EVENTS_AT, { method: "POST", body, headers, keepalive: true })).status;
  } catch {
    return 0;
  }
}

function now() {
  return new Date().toISOString();
}
