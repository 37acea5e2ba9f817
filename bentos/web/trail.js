// Where a visit has been, so that Back and Forward show it again at once; knows no page.

import { fromAddress, toAddress } from "./ask.js";
import { newKey } from "./shopper.js";

const KEPT_MOST = 30; // each may hold a photo

/** Keeps what was asked and shown at each place of the browser's history.
 *
 * `onReturn` gets { ask, shown, openCard } when the person goes back or forward; `shown` is null
 * where this visit has not kept it.
 */
export function trail(onReturn) {
  const places = new Map();
  let here = null; // the key of the place where the person is

  function keep(key, place) {
    here = key;
    places.delete(key);
    places.set(key, place);
    while (places.size > KEPT_MOST) places.delete(places.keys().next().value);
  }

  function go(ask) {
    const key = newKey();
    keep(key, { ask, shown: null });
    history.pushState({ key }, "", toAddress(ask));
  }

  /** Says where the person is now, without a step. */
  function stay(ask, shown) {
    const key = history.state?.key ?? newKey();
    keep(key, { ask, shown });
    const openCard = fromAddress(location.search).openCard;
    history.replaceState({ ...history.state, key }, "", toAddress(ask, openCard));
  }

  /** A card's own view is a step too: Back closes it. */
  function open(ask, cardId) {
    history.pushState({ key: history.state.key, isCard: true }, "", toAddress(ask, cardId));
  }

  /** Leaves a card's view by a step back; `onNone` closes one that the address opened. */
  function close(ask, onNone) {
    if (history.state?.isCard) return history.back();
    history.replaceState(history.state, "", toAddress(ask));
    return onNone();
  }

  addEventListener("popstate", ({ state }) => {
    // Every place has a key: without one, only the hash of the address was changed.
    if (state === null) return history.replaceState({ key: here }, "");
    here = state.key;
    const { ask, openCard } = fromAddress(location.search);
    return onReturn({ ...(places.get(here) ?? { ask, shown: null }), openCard });
  });
  return { close, go, open, stay };
}
