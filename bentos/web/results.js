// Shows an answer as cards; everything from the server goes in as text, never as markup.

import { currentLanguage, formatNumber, words } from "./words.js";

const SKELETONS = 8;

/** Shows found cards, those first whose article was read on the photo; each card once. */
export function showCards(list, cards, exact) {
  const read = exact.map((card) => ({ card, isExact: true }));
  const names = new Set(exact.map((card) => card.card_id));
  const others = cards.filter(({ card }) => !names.has(card.card_id));
  list.replaceChildren(...[...read, ...others].map(cardElement));
}

export function showSkeletons(list) {
  const waiting = Array.from({ length: SKELETONS }, () => {
    const item = make("li", "card waiting");
    item.append(make("div", "picture"), make("div", "line"), make("div", "line short"));
    return item;
  });
  list.replaceChildren(...waiting);
}

/** What made the answer, and how long each step took, in small print. */
export function showMaker(footer, { took_ms: tookMs, release }) {
  const { total, ...stages } = tookMs;
  const times = Object.entries(stages).map(([stage, ms]) => `${stage} ${ms.toFixed(1)}`);
  footer.replaceChildren(
    make("span", "", `${total.toFixed(0)} ms: ${times.join(" · ")}`),
    make("span", "", `release ${release.release}`),
    make("span", "", `model ${release.model_id}`),
    make("span", "", `index ${release.index_id}`),
    make("span", "", `data ${release.data_version}`),
  );
}

function cardElement({ card, cosine, probability, rank, isExact }) {
  const item = make("li", "card");
  item.dataset.cardId = card.card_id;
  item.append(picture(card), make("p", "category", card.category.join(" › ")));
  if (isExact) item.append(make("span", "badge exact", words().exact));
  else if (rank === 1) item.append(make("span", "badge", words().best));
  const title = make("h3", "", titleOf(card));
  title.title = title.textContent;
  item.append(title, make("p", "maker", makerOf(card)), make("p", "rating", ratingOf(card)));
  item.append(price(card));
  if (!isExact) item.append(likeness(cosine, probability)); // nothing is surer than an article
  return item;
}

function picture(card) {
  const frame = make("div", "picture");
  if (card.thumbnail === null) {
    frame.append(make("span", "quiet", words().noPicture));
    return frame;
  }
  const image = make("img");
  image.src = card.thumbnail;
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  frame.append(image);
  return frame;
}

function titleOf(card) {
  return (currentLanguage() === "ru" && card.title_ru) || card.title;
}

function makerOf(card) {
  const article = card.article === null ? null : words().article(card.article);
  return [card.brand, article].filter(Boolean).join(" · ");
}

function ratingOf(card) {
  if (!card.rating) return ""; // 0 where nobody has rated
  const stars = formatNumber(card.rating, { maximumFractionDigits: 1 });
  return words().rating(stars, card.n_reviews);
}

function price(card) {
  if (card.price === null) return make("p", "price quiet", words().noPrice);
  const digits = Number.isInteger(card.price) ? 0 : 2;
  const text = formatNumber(card.price, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return make("p", "price", text);
}

/** How sure the match is: a probability where the release tells one, else the likeness. */
function likeness(cosine, probability) {
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

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
