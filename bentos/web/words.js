// Every text of the page in both languages; knows nothing of what the page does.

const WORDS = {
  en: {
    skip: "Skip to content",
    startAgain: "Photosearch: start again",
    language: "Language",
    headline: "Find it by photo",
    lead: "Saw something you like? Show us a photo, and we find it.",
    choose: "Choose a photo",
    dropHint: "or drop it here, or paste it from the clipboard",
    dropNow: "Drop the photo",
    stock: (cards, photos) => `Searching ${cards} products in ${photos} photos`,
    yourPhoto: "Your photo",
    photoAlt: (name) => `Your photo ${name}`,
    boxLabel: "Part of the photo to search",
    boxHint: "Drag over a part of the photo to search only for that.",
    boxKeys: "Arrow keys move the box, Shift and arrow keys resize it, Escape searches the whole photo.",
    wholePhoto: "Whole photo",
    another: "Another photo",
    searching: "Searching…",
    found: (count, isPart) =>
      `${count} ${count === 1 ? "product" : "products"} like ${isPart ? "the chosen part" : "your photo"}`,
    best: "Best match",
    similarity: "Similarity",
    noPrice: "No price",
    noPicture: "No picture",
    article: (article) => `No. ${article}`,
    emptyTitle: "Nothing like this here yet",
    emptyText: "Try another photo, or drag over just the product.",
    failed: {
      413: "This file is too large",
      415: "This cannot be searched",
      422: "This is not a photo we can read",
      503: "Search is busy right now",
      0: "No connection",
      other: "This search did not work",
    },
    tooLarge: (megabytes) => `A photo may have up to ${megabytes} MB.`,
    noConnection: "The server does not answer. Check your connection and try again.",
    tryAgain: "Try again",
  },
  ru: {
    skip: "К содержанию",
    startAgain: "Photosearch: начать сначала",
    language: "Язык",
    headline: "Найдите по фото",
    lead: "Увидели то, что понравилось? Покажите фото, и мы найдём.",
    choose: "Выбрать фото",
    dropHint: "или перетащите его сюда, или вставьте из буфера обмена",
    dropNow: "Отпустите фото",
    stock: (cards, photos) => `Ищем среди товаров: ${cards}, фотографий: ${photos}`,
    yourPhoto: "Ваше фото",
    photoAlt: (name) => `Ваше фото ${name}`,
    boxLabel: "Часть фото для поиска",
    boxHint: "Обведите часть фото, чтобы искать только её.",
    boxKeys: "Стрелки двигают рамку, Shift и стрелки меняют размер, Escape ищет по всему фото.",
    wholePhoto: "Всё фото",
    another: "Другое фото",
    searching: "Ищем…",
    found: (count, isPart) => `Похоже на ${isPart ? "выбранную часть" : "ваше фото"}: ${count}`,
    best: "Лучшее совпадение",
    similarity: "Сходство",
    noPrice: "Нет цены",
    noPicture: "Нет фото",
    article: (article) => `Арт. ${article}`,
    emptyTitle: "Ничего похожего пока нет",
    emptyText: "Попробуйте другое фото или обведите только товар.",
    failed: {
      413: "Файл слишком большой",
      415: "По этому нельзя искать",
      422: "Это фото не удаётся прочитать",
      503: "Поиск сейчас занят",
      0: "Нет связи",
      other: "Поиск не удался",
    },
    tooLarge: (megabytes) => `Фото может занимать до ${megabytes} МБ.`,
    noConnection: "Сервер не отвечает. Проверьте связь и попробуйте ещё раз.",
    tryAgain: "Попробовать ещё раз",
  },
};

const KEPT_AS = "photosearch-language";

let language = readLanguage();

export function words() {
  return WORDS[language];
}

export function currentLanguage() {
  return language;
}

export function setLanguage(wanted) {
  language = wanted;
  try {
    localStorage.setItem(KEPT_AS, wanted);
  } catch {
    // A private window keeps nothing; the choice then lasts as long as the page.
  }
}

/** Puts texts into elements marked data-text, and names into those marked data-label. */
export function translatePage() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = words()[element.dataset.text];
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", words()[element.dataset.label]);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

export function formatNumber(value, options) {
  return new Intl.NumberFormat(language, options).format(value);
}

function readLanguage() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEPT_AS);
  } catch {
    // As above.
  }
  if (kept in WORDS) return kept;
  return navigator.language.toLowerCase().startsWith("ru") ? "ru" : "en";
}
