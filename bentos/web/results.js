// Shows found cards as a grid; knows neither page nor search.

import { reasonBars } from "./explain.js";
import { iconButton, make, textButton } from "./elements.js";
import { currentLanguage, formatNumber, words } from "./words.js";

const SKELETONS = 8;

/** Shows cards, each once: those first whose article was read on the photo.
 *
 * `told` holds `ask`, which tells which are liked; `acts`, what buttons do; `canJudge`, whether
 * likes count; `canCompare`, whether likeness means anything: words and photos are not compared.
 * Gives the list's elements; who had the focus has it again, if the card is still there.
 */
export function showCards(list, shown, told) {
  const focused = placeOfFocus(list);
  const items = cardsOf(shown).map((found) => cardElement(found, told));
  list.replaceChildren(...items);
  if (focused !== null) focusAgain(list, focused);
  return items;
}

/** The cards in the order in which they are shown, with what the answer says of each. */
export function cardsOf({ answer, cards }) {
  const exact = answer.articles?.cards ?? [];
  const names = new Set(exact.map((card) => card.card_id));
  const isSure = answer.is_confident !== false;
  const found = new Map(cards.map((each) => [each.card.card_id, each]));
  const read = exact.map((card) => ({
    rank: null, reasons: [], queryId: answer.query_id,
    ...found.get(card.card_id), card, isExact: true,
  }));
  const others = cards.filter(({ card }) => !names.has(card.card_id));
  // Beside an exact article none is the best: it would be praised over the thing itself.
  const isBest = (each) => exact.length === 0 && each.rank === 1;
  const told = others.map((each) => ({ ...each, isExact: false, isBest: isBest(each), isSure }));
  return [...read, ...told];
}

export function showSkeletons(list) {
  const waiting = Array.from({ length: SKELETONS }, () => {
    const item = make("li", "card waiting");
    item.append(make("div", "picture"), make("div", "line"), make("div", "line short"));
    return item;
  });
  list.replaceChildren(...waiting);
}

export function titleOf(card) {
  return (currentLanguage() === "ru" && card.title_ru) || card.title;
}

export function picture(card) {
  const frame = make("div", "picture");
  if (card.thumbnail === null) {
    frame.append(make("span", "quiet", words().noPicture));
    return frame;
  }
  const image = Object.assign(make("img"), { alt: "", loading: "lazy", decoding: "async" });
  image.src = card.thumbnail;
  frame.append(image);
  return frame;
}

export function makerOf(card) {
  const article = card.article === null ? null : words().article(card.article);
  return [card.brand, article].filter(Boolean).join(" · ");
}

export function ratingOf(card) {
  if (!card.rating) return ""; // 0 where nobody has rated
  // "4 (5)" would read as four of five.
  const stars = formatNumber(card.rating, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return words().rating(stars, card.n_reviews);
}

export function price(card) {
  if (card.price === null) return make("p", "price quiet", words().noPrice);
  const digits = Number.isInteger(card.price) ? 0 : 2;
  const text = formatNumber(card.price, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return make("p", "price", text);
}

/** How sure the match is: a probability where the release tells one, else the likeness. */
export function likeness({ cosine, probability }) {
  const isCalibrated = probability !== null;
  const value = isCalibrated ? probability : cosine;
  const label = isCalibrated ? words().probability : words().similarity;
  const text = isCalibrated
    ? formatNumber(value, { style: "percent" })
    : formatNumber(value, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const meter = make("div", "similarity");
  meter.setAttribute("role", "meter");
  meter.setAttribute("aria-label", label);
  meter.setAttribute("aria-valuemin", isCalibrated ? "0" : "-1");
  meter.setAttribute("aria-valuemax", "1");
  meter.setAttribute("aria-valuenow", value.toFixed(2));
  const track = make("span", "track");
  const filled = make("span", "filled");
  filled.style.width = `${Math.max(0, value) * 100}%`;
  track.append(filled);
  meter.append(track, make("span", "number", text));
  meter.title = `${label}: ${text}`;
  return meter;
}

/** The buttons that judge a card, or ask for others like it. */
export function tools(found, { ask, acts, canJudge }) {
  const { card } = found;
  const row = make("div", "tools");
  for (const [list, icon] of canJudge ? [["liked", "like"], ["disliked", "dislike"]] : []) {
    const button = iconButton(icon, words()[icon](titleOf(card)), () => acts.judge(list, card));
    const isGiven = ask[list].some((each) => each.card_id === card.card_id);
    button.setAttribute("aria-pressed", String(isGiven));
    row.append(button);
  }
  const alike = iconButton("alike", words().alikeOf(titleOf(card)), () => acts.findAlike(card));
  alike.append(make("span", "", words().alike));
  row.append(alike);
  return row;
}

function cardElement(found, told) {
  const { card, rank, reasons, isExact, isBest, isSure, queryId } = found;
  const item = make("li", "card");
  item.dataset.cardId = card.card_id;
  item.dataset.queryId = queryId;
  if (rank !== null) item.dataset.rank = rank;
  item.append(picture(card), make("p", "category", card.category.join(" › ")));
  if (isExact) item.append(make("span", "badge exact", words().exact));
  else if (isBest && told.canCompare) item.append(make("span", "badge", isSure ? words().best : words().nearest));
  const title = make("h2");
  const open = textButton("open", titleOf(card), () => told.acts.open(found));
  title.append(open);
  title.title = titleOf(card);
  item.append(title, make("p", "maker", makerOf(card)), make("p", "rating", ratingOf(card)));
  item.append(price(card));
  if (!isExact && told.canCompare) item.append(likeness(found)); // nothing is surer than an article
  if (reasons.length > 0) item.append(reasonBars(reasons));
  item.append(tools(found, told));
  return item;
}

function placeOfFocus(list) {
  const focused = document.activeElement;
  const item = list.contains(focused) ? focused.closest("[data-card-id]") : null;
  if (item === null) return null;
  const place = [...item.querySelectorAll("button")].indexOf(focused);
  return { cardId: item.dataset.cardId, place };
}

function focusAgain(list, { cardId, place }) {
  const item = [...list.children].find((each) => each.dataset.cardId === cardId);
  item?.querySelectorAll("button")[place]?.focus({ preventScroll: true });
}
