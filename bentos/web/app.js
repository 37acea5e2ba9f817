// The page from photo to answer: take a photo, search it, show what was found or what went wrong.

import { boxPicker } from "./box.js";
import { MAX_BYTES, prepare } from "./photo.js";
import { showCards, showMaker, showSkeletons } from "./results.js";
import { formatNumber, setLanguage, translatePage, words } from "./words.js";

const CARDS_WANTED = 24;

const at = (id) => document.getElementById(id);
const picker = boxPicker(at("surface"), at("frame"), search);

let stock = null; // what GET /v1/release says
let chosen = null; // the file that the person gave last
let photo = null; // the same, made fit to send
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
  const image = at("photo");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(photo);
  image.alt = words().photoAlt(photo.name);
  at("work").dataset.photo = "ready";
  await search(null);
}

/** Searches the photo, or the box on it; a newer search makes an older one forgotten. */
async function search(box) {
  running?.abort();
  const mine = (running = new AbortController());
  at("whole").hidden = box === null;
  show({ kind: "waiting" });
  const answer = await ask(box, mine.signal);
  if (running === mine) show(answer);
}

async function ask(box, signal) {
  if (photo.size > MAX_BYTES) {
    return { kind: "failed", status: 413, detail: words().tooLarge(MAX_BYTES / 1e6), box };
  }
  try {
    const body = formOf(box);
    const response = await fetch("v1/search", { method: "POST", body, signal });
    if (response.ok) return { kind: "found", answer: await response.json() };
    const problem = await response.json().catch(() => ({ detail: response.statusText }));
    return { kind: "failed", status: response.status, detail: problem.detail, box };
  } catch {
    return { kind: "failed", status: 0, detail: words().noConnection, box };
  }
}

function formOf(box) {
  const form = new FormData();
  form.append("photo", photo, photo.name);
  form.append("limit", CARDS_WANTED);
  if (box !== null) {
    const { naturalWidth: width, naturalHeight: height } = at("photo");
    const sides = [box.left * width, box.top * height, box.right * width, box.bottom * height];
    form.append("box", sides.map(Math.round).join(","));
  }
  return form;
}

function show(state) {
  shown = state;
  at("notice").hidden = true;
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
        ? { label: tryAgain, act: () => search(state.box) }
        : { label: another, act: chooseFile },
    );
  }
}

function showFound(answer) {
  const { cards, box } = answer;
  showMaker(at("made-by"), answer);
  if (cards.length === 0) {
    const { emptyTitle, emptyText, another } = words();
    showNotice({ title: emptyTitle, text: emptyText }, { label: another, act: chooseFile });
    return;
  }
  at("status").textContent = words().found(cards.length, box !== null);
  showCards(at("cards"), cards);
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
at("home").onclick = startAgain;
at("whole").onclick = () => {
  picker.clear();
  search(null);
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
