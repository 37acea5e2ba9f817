// The page from photo or words to answer: what is asked, what is shown, and the way back.

import { showAnswer } from "./answer.js";
import { articlesOf, lookUp, search } from "./api.js";
import { NOTHING, asksNothing, fromAddress, isNarrowed, withOpinion, withText } from "./ask.js";
import { cardView } from "./card_view.js";
import { filterForm } from "./filters.js";
import { keepFocus } from "./focus.js";
import { listenForPhotos } from "./intake.js";
import { prepare } from "./photo.js";
import { photoStage } from "./photo_stage.js";
import { keepTimes } from "./recent.js";
import { refinements } from "./refine.js";
import { cardsOf, titleOf } from "./results.js";
import { shopperKey } from "./shopper.js";
import { shopperWatch } from "./shopper_watch.js";
import { trail } from "./trail.js";
import { formatNumber, setLanguage, translatePage, words } from "./words.js";

const CARDS_WANTED = 24;
const NOTHING_SHOWN = Object.freeze({ kind: "nothing" });

const at = (id) => document.getElementById(id);

let stock = null; // what GET /v1/release says, once it has answered
let isLearning = false; // whether it is being asked
let ask = NOTHING;
let shown = NOTHING_SHOWN; // kept to show it again in the other language
let running = null; // AbortController of the search under way
let given = null; // the file that the person gave last

const acts = {
  asked: () => ask,
  choose: () => intake.choose(),
  closeCard: () => way.close(ask, view.leave),
  findAlike: (card) => askFor({ ...NOTHING, card, isExplained: ask.isExplained }),
  judge: (list, card) => askFor(withOpinion(ask, list, card)),
  narrow: (where) => askFor({ ...ask, where }),
  open: openCard,
  say: (text) => askFor(withText(ask, text)),
  tryAgain: () => lookFor(ask),
};
const stage = photoStage((box) => askFor({ ...ask, box }));
const filters = filterForm(at("filters"), acts.narrow);
const refine = refinements({ form: at("say"), chips: at("chips"), likes: at("likes") }, acts);
const view = cardView(at("card"), ({ found, viewMs }) => watch.looked(found, viewMs));
const shopper = shopperKey();
const watch = shopperWatch(shopper); // after the view: what that tells at the end is sent too
const way = trail(comeBack);
const intake = listenForPhotos(take);

async function take(file) {
  running?.abort();
  given = file;
  const photo = await prepare(file);
  if (given !== file) return; // another one was given meanwhile
  const waits = asksNothing(ask) ? { where: ask.where } : {}; // an address may hold filters
  await askFor({ ...NOTHING, ...waits, photo });
}

/** Asks something new: a step that Back undoes. */
async function askFor(wanted) {
  view.leave();
  way.go(wanted);
  await lookFor(wanted);
}

/** Searches and shows; a newer search makes an older one forgotten. */
async function lookFor(wanted) {
  running?.abort();
  if (asksNothing(wanted)) return startAgain(wanted);
  const mine = (running = new AbortController());
  const isSamePhoto = ask.photo === wanted.photo && ask.card === wanted.card;
  ask = wanted;
  if (!isSamePhoto) clearShown();
  show({ kind: "waiting" });
  const startedAt = performance.now();
  const state = await search(ask, { limit: CARDS_WANTED, offset: 0, shopper }, mine.signal);
  if (running !== mine) return undefined;
  if (state.kind === "found") keepTimes(state.answer.took_ms, performance.now() - startedAt);
  show(withCards(state));
  learnStock();
  return await readArticles(mine);
}

/** Adds the next cards to those that are shown. */
async function searchMore() {
  const mine = running;
  const before = shown.cards;
  const page = { limit: CARDS_WANTED, offset: before.length, shopper };
  const state = await search(ask, page, mine.signal);
  if (running !== mine) return;
  if (state.kind !== "found") {
    at("status").textContent = words().failed[state.status] ?? words().failed.other;
    return;
  }
  const more = withCards(state).cards;
  show({ ...shown, cards: [...before, ...more] });
  const name = more[0]?.card.card_id; // the focus goes on where the old cards end
  const first = [...at("cards").children].find((item) => item.dataset.cardId === name);
  first?.querySelector(".open").focus({ preventScroll: true });
}

/** Words are read beside the search: what comes late is merged in. */
async function readArticles(mine) {
  if (shown.kind !== "found" || shown.answer.articles?.state !== "reading") return;
  const articles = await articlesOf(shown.answer.query_id, mine.signal);
  if (running !== mine) return;
  const none = { ...shown.answer.articles, state: "failed" };
  show({ ...shown, answer: { ...shown.answer, articles: articles ?? none } });
}

/** Each card keeps the query that showed it: every page of an answer is a query of its own. */
function withCards(state) {
  if (state.kind !== "found") return state;
  const { query_id: queryId, cards } = state.answer;
  return { ...state, cards: cards.map((found) => ({ ...found, queryId })) };
}

function show(state) {
  keepFocus(() => fill(state), nextPlace);
}

/** Where the keyboard goes on after a button that is gone. */
function nextPlace() {
  if (asksNothing(ask)) return at("main");
  return at("notice").hidden ? at("status") : at("notice").querySelector("button");
}

function fill(state) {
  shown = state;
  way.stay(ask, state.kind === "waiting" ? null : state);
  document.body.dataset.view = asksNothing(ask) ? "start" : "work";
  document.body.dataset.asks = ask.photo !== null ? "photo" : "words";
  const answer = state.kind === "found" ? state.answer : null;
  stage.show(ask, answer);
  if (answer !== null) filters.show(answer.facets, ask.where);
  at("say").hidden = at("first-words").hidden = !hasWords();
  const chips = answer !== null && canJudge() ? answer.chips : [];
  if (state.kind !== "waiting") refine.show(ask, chips); // else tags would jump away and back
  watch.cards(showAnswer(state, toldOfCards()));
  at("filters-wait").hidden = !isNarrowed(ask);
  document.title = words().pageOf(ask.text);
}

function clearShown() {
  keepFocus(() => {
    filters.forget();
    at("cards").replaceChildren();
  }, () => at("status"));
}

function startAgain(wanted) {
  running = null;
  given = null;
  ask = wanted;
  at("made-by").replaceChildren();
  clearShown();
  show(NOTHING_SHOWN);
}

/** Shows a card over the page; Back closes it. */
function openCard(found) {
  way.open(ask, found.card.card_id);
  watch.opened(found);
  showCard(found);
}

function showCard(found) {
  view.open(found, toldOfCards());
}

/** What cards need to know: see results.js. */
function toldOfCards() {
  const canCompare = ask.photo !== null || ask.card !== null;
  return { ask, acts, canJudge: canJudge(), canCompare };
}

/** Whether this release has a side for words; likes go with it. It has one until it says no. */
function hasWords() {
  return stock === null || stock.parts?.text !== undefined;
}

/** Asks what this release has; after a failure each search asks again. */
async function learnStock() {
  if (stock !== null || isLearning) return;
  isLearning = true;
  stock = await lookUp("v1/release");
  isLearning = false;
  if (stock === null) return;
  tellStock();
  show(shown);
}

function tellStock() {
  if (stock === null) return;
  const { n_cards: cards, n_photos: photos } = stock;
  at("stock").textContent = words().stock(formatNumber(cards), formatNumber(photos));
}

/** A card that asks for others like it takes neither words nor likes; nor does no search. */
function canJudge() {
  return hasWords() && ask.card === null && !asksNothing(ask);
}

/** Shows again what was shown at a place of the browser's history, or an address says. */
async function comeBack({ ask: before, shown: kept, openCard: cardId }) {
  const isElsewhere = before !== ask || (kept !== null && kept !== shown);
  if (cardId === null) view.leave();
  if (isElsewhere) {
    running?.abort();
    running = new AbortController(); // more cards and late articles belong to it
    if (before.photo !== ask.photo || before.card !== ask.card) clearShown();
    ask = before;
    if (kept === null || kept.kind === "failed") await lookFor(before);
    else await showAgain(kept);
  }
  if (cardId !== null && cardId !== view.cardId()) await comeBackToCard(cardId);
}

async function showAgain(kept) {
  show(kept);
  await readArticles(running);
}

async function comeBackToCard(cardId) {
  const found = shown.kind === "found" ? cardsOf(shown) : [];
  const here = found.find(({ card }) => card.card_id === cardId);
  if (here !== undefined) return showCard(here);
  const told = await lookUp(`v1/cards/${encodeURIComponent(cardId)}`);
  if (told === null || fromAddress(location.search).openCard !== cardId) return undefined;
  return showCard({ card: told.card, rank: null, queryId: null });
}

function translate() {
  translatePage();
  tellStock();
  stage.translate(ask);
  show(shown);
  view.fill();
}

async function start() {
  at("narrow").open = !matchMedia("(max-width: 760px)").matches; // a phone shows the cards first
  document.querySelector(".skip").onclick = (event) => {
    event.preventDefault(); // a hash would be one more step for Back
    at("main").focus();
  };
  at("home").onclick = () => askFor(NOTHING);
  at("more").onclick = searchMore;
  at("explain").onclick = () => lookFor({ ...ask, isExplained: !ask.isExplained });
  at("first-words").addEventListener("submit", (event) => {
    event.preventDefault();
    askFor(withText(ask, event.target.elements.text.value));
  });
  for (const button of document.querySelectorAll("[data-language]")) {
    button.onclick = () => {
      setLanguage(button.dataset.language);
      translate();
    };
  }
  ({ ask } = fromAddress(location.search));
  translate();
  await learnStock(); // else the line about the stock stays empty until a search asks again
  const { openCard: cardId } = fromAddress(location.search);
  if (!asksNothing(ask)) await lookFor(ask);
  if (cardId !== null) await comeBackToCard(cardId);
}

start();
