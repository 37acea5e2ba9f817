// What is asked for, as one value, and how an address says it; knows neither page nor server.

/** A photo, words or a card ask; the rest refines. Never changed in place. */
export const NOTHING = Object.freeze({
  photo: null, // { file, width, height }, made fit to send
  box: null, // the part to search, in shares of the photo; null lets the server choose an object
  card: null, // facts of a card, or its card_id alone: more like it
  text: "",
  where: Object.freeze({}), // what narrows the answer, in the words of the API
  liked: Object.freeze([]), // facts of cards
  disliked: Object.freeze([]),
  isExplained: false,
});

export const TEXT_MAX = 300; // characters; see docs/api.md

export function asksNothing({ photo, card, text }) {
  return photo === null && card === null && text === "";
}

/** Words may stand alone or beside a photo; a card that is asked for stands alone. */
export function withText(ask, text) {
  const told = text.trim().slice(0, TEXT_MAX);
  if (ask.card === null) return { ...ask, text: told };
  return { ...NOTHING, where: ask.where, text: told, isExplained: ask.isExplained };
}

/** Moves a card into the list it is put into, or out of the one it is in already. */
export function withOpinion(ask, list, card) {
  const { card_id: id } = card;
  const others = (cards) => cards.filter((each) => each.card_id !== id);
  const isTakenBack = ask[list].some((each) => each.card_id === id);
  const moved = { ...ask, liked: others(ask.liked), disliked: others(ask.disliked) };
  return isTakenBack ? moved : { ...moved, [list]: [...moved[list], card] };
}

export function isNarrowed({ where }) {
  return Object.keys(where).length > 0;
}

/** What of an ask fits into an address; a photo never leaves this browser that way. */
export function toAddress(ask, openCard = null) {
  const said = new URLSearchParams();
  if (ask.text !== "") said.set("text", ask.text);
  if (ask.card !== null) said.set("like", ask.card.card_id);
  if (isNarrowed(ask)) said.set("where", JSON.stringify(ask.where));
  if (openCard !== null) said.set("card", openCard);
  const query = said.toString();
  return query === "" ? location.pathname : `?${query}`;
}

/** The ask of an address and the card that it opens; what it says wrongly is left out. */
export function fromAddress(query) {
  const said = new URLSearchParams(query);
  const ask = {
    ...NOTHING,
    text: (said.get("text") ?? "").trim().slice(0, TEXT_MAX),
    where: readWhere(said.get("where")),
  };
  const like = said.get("like");
  return {
    ask: like === null ? ask : { ...NOTHING, card: { card_id: like }, where: ask.where },
    openCard: said.get("card"),
  };
}

function readWhere(text) {
  let said;
  try {
    said = JSON.parse(text) ?? {};
  } catch {
    return {};
  }
  const where = {};
  for (const name of ["category", "brands"]) {
    const names = said[name];
    const isList = Array.isArray(names) && names.every((each) => typeof each === "string");
    if (isList && names.length > 0) where[name] = names;
  }
  for (const name of ["price_min", "price_max", "rating_min"]) {
    if (typeof said[name] === "number") where[name] = said[name];
  }
  return where;
}
