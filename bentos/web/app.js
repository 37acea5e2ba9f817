// The page from photo to answer: take a photo, search it, show what was found or what went wrong.

import { articlesOf, searchPhoto } from "./api.js";
import { boxPicker } from "./box.js";
import { filterForm } from "./filters.js";
import { prepare } from "./photo.js";
import { showCards, showMaker, showSkeletons } from "./results.js";
import { formatNumber, setLanguage, translatePage, words } from "./words.js";

const CARDS_WANTED = 24;
const WHOLE = { left: 0, top: 0, right: 1, bottom: 1 };

const at = (id) => document.getElementById(id);
const picker = boxPicker(at("surface"), at("frame"), (box) => search(box ?? WHOLE));
const filters = filterForm(at("filters"), () => search(asked));

let stock = null; // what GET /v1/release says
let chosen = null; // the file that the person gave last
let photo = null; // the same, made fit to send
let asked = null; // the box that was asked for, in shares; null lets the server choose an object
let running = null; // AbortController of the search under way
let shown = { kind: "nothing" }; // kept to show it again in the other language

async function take(file) {
  running?.abort();
  chosen = file;
  const prepared = await prepare(file);
  if (chosen !== file) return; // another one was given meanwhile
  photo = prepared;
  document.body.dataset.view = "work";
  picker.clear();
  picker.offer([], words().object);
  filters.forget();
  const image = at("photo");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(photo);
  image.alt = words().photoAlt(photo.name);
  at("work").dataset.photo = "ready";
  await search(null);
}

/** Searches a box on the photo; a newer search makes an older one forgotten. */
async function search(box) {
  running?.abort();
  const mine = (running = new AbortController());
  asked = box;
  show({ kind: "waiting" });
  const state = await ask(0, mine.signal);
  if (running !== mine) return;
  if (state.kind === "found") offerMore(state.answer);
  show(state);
  await readArticles(mine);
}

/** Adds the next cards to those that are shown. */
async function searchMore() {
  const mine = running;
  const state = await ask(shown.answer.cards.length, mine.signal);
  if (running !== mine || state.kind !== "found") return;
  const cards = [...shown.answer.cards, ...state.answer.cards];
  show({ ...shown, answer: { ...shown.answer, cards } });
}

/** Words are read beside the search: what comes late is merged in. */
async function readArticles(mine) {
  if (shown.kind !== "found" || shown.answer.articles.state !== "reading") return;
  const articles = await articlesOf(shown.answer.query_id, mine.signal);
  if (running !== mine) return;
  const none = { ...shown.answer.articles, state: "failed" };
  show({ ...shown, answer: { ...shown.answer, articles: articles ?? none } });
}

async function ask(offset, signal) {
  const box = asked === null ? null : inPixels(asked);
  const where = filters.where();
  return await searchPhoto(photo, { box, where, limit: CARDS_WANTED, offset }, signal);
}

/** Shows what else of the photo can be searched, and by what the answer can be narrowed. */
function offerMore(answer) {
  const inShares = ([left, top, right, bottom]) => ({
    left: left / answer.width,
    top: top / answer.height,
    right: right / answer.width,
    bottom: bottom / answer.height,
  });
  picker.offer(answer.objects.map(({ box }) => inShares(box)), words().object);
  if (asked === null && answer.box !== null) picker.show(inShares(answer.box));
  if (Object.keys(filters.where()).length === 0) filters.show(answer.facets);
}

function inPixels(box) {
  const { naturalWidth: width, naturalHeight: height } = at("photo");
  const sides = [box.left * width, box.top * height, box.right * width, box.bottom * height];
  return sides.map(Math.round);
}

function show(state) {
  shown = state;
  at("notice").hidden = at("more").hidden = true;
  at("articles").textContent = at("unsure").textContent = "";
  at("whole").hidden = at("frame").hidden;
  at("cards").setAttribute("aria-busy", String(state.kind === "waiting"));
  if (state.kind === "waiting") {
    at("status").textContent = words().searching;
    showSkeletons(at("cards"));
  } else if (state.kind === "found") {
    showFound(state.answer);
  } else if (state.kind === "failed") {
    at("made-by").replaceChildren();
    const { failed, another, tryAgain } = words();
    const isOurs = state.status === 0 || state.status >= 500;
    showNotice(
      { title: failed[state.status] ?? failed.other, text: state.detail },
      isOurs
        ? { label: tryAgain, act: () => search(asked) }
        : { label: another, act: chooseFile },
    );
  }
}

function showFound(answer) {
  const { cards, articles } = answer;
  showMaker(at("made-by"), answer);
  showReading(articles);
  if (cards.length === 0 && articles.cards.length === 0) {
    const { emptyTitle, emptyText, narrowedTitle, narrowedText, another, clear } = words();
    const isNarrowed = Object.keys(filters.where()).length > 0;
    showNotice(
      isNarrowed
        ? { title: narrowedTitle, text: narrowedText }
        : { title: emptyTitle, text: emptyText },
      isNarrowed
        ? { label: clear, act: filters.clearAll }
        : { label: another, act: chooseFile },
    );
    return;
  }
  at("status").textContent = words().found(answer.n_found, !at("frame").hidden);
  const isUnsure = answer.is_confident === false && articles.cards.length === 0;
  at("unsure").textContent = isUnsure ? words().unsure : "";
  showCards(at("cards"), cards, articles.cards);
  at("more").hidden = cards.length >= answer.n_found;
}

function showReading({ state, cards }) {
  const read = [...new Set(cards.map((card) => card.article))];
  const told = {
    reading: words().reading,
    read: read.length > 0 ? words().readArticles(read) : "",
    busy: words().notRead,
    failed: words().notRead,
  };
  at("articles").textContent = told[state] ?? "";
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

function startAgain() {
  running?.abort();
  running = null;
  chosen = photo = null;
  shown = { kind: "nothing" };
  at("made-by").replaceChildren();
  document.body.dataset.view = "start";
}

function translate() {
  translatePage();
  at("photo").alt = photo === null ? "" : words().photoAlt(photo.name);
  if (stock !== null) {
    at("stock").textContent = words().stock(
      formatNumber(stock.n_cards),
      formatNumber(stock.n_photos),
    );
  }
  picker.rename(words().object);
  filters.translate();
  show(shown);
}

function chooseFile() {
  at("file").click();
}

function listenForPhotos() {
  at("choose").onclick = at("another").onclick = chooseFile;
  at("drop").addEventListener("click", (event) => {
    if (event.target !== at("choose")) chooseFile();
  });
  at("file").addEventListener("change", ({ target }) => {
    if (target.files.length) take(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData.files.length) take(clipboardData.files[0]);
  });
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (!carriesFile(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}

listenForPhotos();
at("narrow").open = !matchMedia("(max-width: 760px)").matches; // a phone shows the cards first
at("home").onclick = startAgain;
at("more").onclick = searchMore;
at("whole").onclick = () => {
  picker.clear();
  search(WHOLE);
};
at("photo").addEventListener("error", () => {
  at("work").dataset.photo = "unreadable";
});
for (const button of document.querySelectorAll("[data-language]")) {
  button.onclick = () => {
    setLanguage(button.dataset.language);
    translate();
  };
}
translate();
fetch("v1/release")
  .then((response) => (response.ok ? response.json() : null))
  .then((manifest) => {
    stock = manifest;
    translate();
  })
  .catch(() => {}); // only the line about the stock stays empty
