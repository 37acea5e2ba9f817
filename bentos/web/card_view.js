// One card, large, over the page: its facts, why it is here, and what can be done with it.

import { lookUp } from "./api.js";
import { keepFocus } from "./focus.js";
import { reasonBars, showMap } from "./explain.js";
import { iconButton, make } from "./elements.js";
import { likeness, makerOf, picture, price, ratingOf, titleOf, tools } from "./results.js";
import { words } from "./words.js";

const SOLD_OUT = ["out_of_stock", "sold_out"];

/** Shows cards in `dialog`; `onLooked` gets { found, viewMs } when one was looked at and left. */
export function cardView(dialog, onLooked) {
  let opened = null; // { found, told }
  let since = 0; // 0 while nobody looks
  let lookedMs = 0;

  function open(found, told) {
    leave();
    opened = { found, told };
    lookedMs = 0;
    since = performance.now();
    fill();
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    addPhotos(found.card);
    if (found.reasons?.length > 0) addMap(found);
  }

  function fill() {
    const { found, told } = opened;
    const { card, cosine } = found;
    dialog.setAttribute("aria-label", words().details(titleOf(card)));
    const facts = make("div", "about");
    facts.append(
      make("p", "category", card.category.join(" › ")),
      make("h2", "", titleOf(card)),
      make("p", "maker", makerOf(card)),
      make("p", "rating", ratingOf(card)),
      price(card),
    );
    if (SOLD_OUT.includes(card.status)) facts.append(make("p", "badge sold", words().soldOut));
    if (card.seller) facts.append(make("p", "quiet", words().seller(card.seller)));
    if (card.description) facts.append(make("p", "description", card.description));
    if (cosine !== undefined && !found.isExact && told.canCompare) facts.append(...measured(found));
    if (found.reasons?.length > 0) facts.append(reasonBars(found.reasons));
    facts.append(tools(found, told));
    const close = iconButton("close", words().close, told.acts.closeCard);
    close.autofocus = true;
    const looks = make("div", "looks");
    looks.append(picture(card));
    dialog.replaceChildren(close, looks, facts);
  }

  /** The likeness, and in words what it measures: a card of the grid has no room for them. */
  function measured(found) {
    const meter = likeness(found);
    const name = make("p", "quiet", meter.getAttribute("aria-label"));
    name.setAttribute("aria-hidden", "true"); // the meter says it too
    return [name, meter];
  }

  /** More photos of the card, where the service tells them. */
  async function addPhotos(card) {
    const told = await lookUp(`v1/cards/${encodeURIComponent(card.card_id)}`);
    const photos = (told?.gallery ?? []).filter((address) => address !== card.thumbnail);
    if (opened?.found.card !== card || photos.length === 0) return;
    const row = make("div", "photos");
    for (const src of photos) row.append(Object.assign(make("img"), { src, alt: "" }));
    dialog.querySelector(".looks").append(row);
  }

  /** Which parts of the photo match which of the card's, where the service draws it. */
  async function addMap({ card, queryId }) {
    const figure = make("figure", "map");
    dialog.querySelector(".looks").append(figure);
    await showMap(figure, queryId, { card: card.card_id, caption: words().matchCaption });
  }

  /** Closes it; tells how long it was looked at, the time in other windows left out. */
  function leave() {
    if (opened === null) return;
    stopLooking();
    const { found } = opened;
    onLooked({ found, viewMs: Math.round(lookedMs) });
    opened = null;
    if (dialog.open) keepFocus(() => dialog.close(), () => buttonOf(found.card));
  }

  function stopLooking() {
    if (since > 0) lookedMs += performance.now() - since;
    since = 0;
  }

  document.addEventListener("visibilitychange", () => {
    if (opened === null) return;
    if (document.visibilityState === "hidden") stopLooking();
    else since = performance.now();
  });
  addEventListener("pagehide", leave);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault(); // Escape takes the same way as the button
    opened?.told.acts.closeCard();
  });
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) opened?.told.acts.closeCard(); // beside the card
  });
  /** The card in the grid: another element by now, if the grid was made anew meanwhile. */
  function buttonOf({ card_id: id }) {
    return document.querySelector(`.card[data-card-id="${CSS.escape(id)}"] .open`);
  }

  const cardId = () => opened?.found.card.card_id ?? null;
  return { cardId, fill: () => opened && fill(), leave, open };
}
