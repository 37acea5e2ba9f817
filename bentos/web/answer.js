// Shows the answer of a search, or why there is none; knows no search.

import { isNarrowed } from "./ask.js";
import { showExplained } from "./explain.js";
import { make } from "./elements.js";
import { MAX_BYTES } from "./photo.js";
import { cardsOf, showCards, showSkeletons, titleOf } from "./results.js";
import { words } from "./words.js";

const at = (id) => document.getElementById(id);

/** Shows one of: waiting, found { answer, cards }, failed { status }, nothing.
 *
 * Gives the elements of the cards that are shown. `told` is what cards need: see results.js.
 */
export function showAnswer(state, told) {
  at("notice").hidden = at("more").hidden = true;
  at("articles").textContent = at("unsure").textContent = "";
  at("cards").setAttribute("aria-busy", String(state.kind === "waiting"));
  if (state.kind === "found") return showFound(state, told);
  if (state.kind === "waiting") {
    showWaiting();
    return [];
  }
  at("why").hidden = at("explain").hidden = true;
  if (state.kind === "failed") showFailed(state, told.acts);
  return [];
}

/** Cards that are there stay, paler, until others come: nothing jumps. */
function showWaiting() {
  at("status").textContent = words().searching;
  if (at("cards").querySelector("[data-card-id]") === null) showSkeletons(at("cards"));
}

function showFailed({ status }, acts) {
  at("made-by").replaceChildren();
  const { failed, another, tryAgain, clear } = words();
  const isOurs = [0, 408, 429].includes(status) || status >= 500; // the same may work later
  const said = { title: failed[status] ?? failed.other, text: adviceOf(status) };
  const isOfFilters = status === 400 && isNarrowed(acts.asked());
  if (isOurs) showNotice(said, { label: tryAgain, act: acts.tryAgain });
  else if (isOfFilters) showNotice(said, { label: clear, act: () => acts.narrow({}) });
  else showNotice(said, { label: another, act: acts.choose });
}

/** Not the problem's detail: that is for whoever writes programs, and English. */
function adviceOf(status) {
  const { advice, tooLarge } = words();
  if (status === 413) return tooLarge(MAX_BYTES / 1e6);
  return advice[status] ?? (status >= 500 ? advice[503] : advice.other);
}

function showFound(state, told) {
  const { answer } = state;
  const { ask, acts } = told;
  showMaker(answer);
  showReading(answer.articles);
  at("explain").hidden = false;
  at("explain").setAttribute("aria-pressed", String(ask.isExplained));
  const titles = new Map(state.cards.map(({ card }) => [card.card_id, titleOf(card)]));
  at("why").hidden = !ask.isExplained;
  if (ask.isExplained) showExplained(at("why"), answer, titles);
  if (cardsOf(state).length === 0) {
    showNothing(ask, acts);
    return [];
  }
  at("status").textContent = headline(ask, answer);
  const isRead = (answer.articles?.cards ?? []).length > 0;
  at("unsure").textContent = answer.is_confident === false && !isRead ? words().unsure : "";
  at("more").hidden = state.cards.length >= answer.n_found;
  return showCards(at("cards"), state, told);
}

function headline({ photo, card, text }, { n_found: n }) {
  if (card !== null) return words().foundAlike(n, card.title ? titleOf(card) : null);
  if (photo === null) return words().foundByWords(n, text);
  return words().found(n, !at("frame").hidden);
}

function showNothing(ask, acts) {
  const { emptyTitle, emptyText, narrowedTitle, narrowedText, another, clear } = words();
  showNotice(
    isNarrowed(ask)
      ? { title: narrowedTitle, text: narrowedText }
      : { title: emptyTitle, text: emptyText },
    isNarrowed(ask)
      ? { label: clear, act: () => acts.narrow({}) }
      : { label: another, act: acts.choose },
  );
}

function showReading(articles) {
  if (articles === undefined) return;
  const read = [...new Set(articles.cards.map((card) => card.article))];
  const told = {
    reading: words().reading,
    read: read.length > 0 ? words().readArticles(read) : "",
    busy: words().notReadBusy,
    failed: words().notReadFailed,
  };
  at("articles").textContent = told[articles.state] ?? "";
}

/** What made the answer, how long each step took, and which failed, in small print.
 *
 * The shopper needs no word of it: without its ranker an answer is right, only less well ordered.
 */
function showMaker({ took_ms: tookMs, degraded, release }) {
  const { total, ...stages } = tookMs;
  const times = Object.entries(stages).map(([stage, ms]) => `${stage} ${ms.toFixed(1)}`);
  at("made-by").replaceChildren(
    make("span", "", `${total.toFixed(0)} ms: ${times.join(" · ")}`),
    ...(degraded.length > 0 ? [make("span", "", `without ${degraded.join(", ")}`)] : []),
    make("span", "", `release ${release.release}`),
    make("span", "", `model ${release.model_id}`),
    make("span", "", `index ${release.index_id}`),
    make("span", "", `data ${release.data_version}`),
  );
}

function showNotice({ title, text }, { label, act }) {
  const notice = at("notice");
  at("status").textContent = "";
  at("cards").replaceChildren();
  notice.querySelector("h2").textContent = title;
  notice.querySelector("p").textContent = text;
  const button = notice.querySelector("button");
  button.textContent = label;
  button.onclick = act;
  notice.hidden = false;
}
