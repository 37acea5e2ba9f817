// What a shopper does with cards, told as events: seen, opened, looked at; see events.js.

import { eventLog } from "./events.js";
import { watchSeen } from "./seen.js";

/** Tells each card of each answer once as seen, however often the page shows it anew. */
export function shopperWatch(shopper) {
  const log = eventLog(shopper);
  const told = new Set();
  const cards = watchSeen(({ dataset }) => {
    const once = `${dataset.queryId} ${dataset.cardId}`;
    if (told.has(once)) return;
    told.add(once);
    const rank = dataset.rank === undefined ? null : Number(dataset.rank);
    log.tell("impression", { cardId: dataset.cardId, queryId: dataset.queryId, rank });
  });

  function opened({ card, queryId, rank }) {
    log.tell("click", { cardId: card.card_id, queryId, rank });
  }

  function looked({ card, queryId, rank }, viewMs) {
    log.tell("view", { cardId: card.card_id, queryId, rank, viewMs });
  }

  return { cards, looked, opened };
}
