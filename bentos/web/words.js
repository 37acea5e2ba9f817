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
    boxHint: "Tap a thing on the photo, or drag over a part, to search only for that.",
    object: (number) => `Search only for thing ${number}`,
    boxKeys: "Arrow keys move the box, Shift and arrow keys resize it, Escape searches the whole photo.",
    wholePhoto: "Whole photo",
    another: "Another photo",
    searching: "Searching…",
    found: (count, isPart) =>
      `${count} ${count === 1 ? "product" : "products"} like ${isPart ? "the chosen part" : "your photo"}`,
    best: "Best match",
    exact: "Exact article",
    readArticles: (articles) => `Read on the photo: ${articles.join(", ")}`,
    reading: "Reading article numbers on the photo…",
    notRead: "Article numbers on the photo were not read: too much to do right now.",
    unsure: "We are not sure that the very product is among these; they are the nearest.",
    more: "Show more",
    similarity: "Similarity",
    probability: "Probability of being the same product",
    rating: (stars, count) => `★ ${stars}${count === null ? "" : ` (${count})`}`,
    filters: "Filters",
    category: "Category",
    brand: "Brand",
    priceMin: "Price from",
    priceMax: "Price to",
    ratingMin: "Rating from",
    anyOne: "Any",
    apply: "Apply",
    clear: "Clear filters",
    narrowedTitle: "Nothing left",
    narrowedText: "No similar product fits these filters.",
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
    boxHint: "Нажмите на вещь или обведите часть фото, чтобы искать только её.",
    object: (number) => `Искать только вещь ${number}`,
    boxKeys: "Стрелки двигают рамку, Shift и стрелки меняют размер, Escape ищет по всему фото.",
    wholePhoto: "Всё фото",
    another: "Другое фото",
    searching: "Ищем…",
    found: (count, isPart) => `Похоже на ${isPart ? "выбранную часть" : "ваше фото"}: ${count}`,
    best: "Лучшее совпадение",
    exact: "Точный артикул",
    readArticles: (articles) => `Прочитано на фото: ${articles.join(", ")}`,
    reading: "Читаем артикулы на фото…",
    notRead: "Артикулы на фото не прочитаны: сейчас слишком много запросов.",
    unsure: "Не уверены, что среди них есть тот самый товар; это самые похожие.",
    more: "Показать ещё",
    similarity: "Сходство",
    probability: "Вероятность, что это тот же товар",
    rating: (stars, count) => `★ ${stars}${count === null ? "" : ` (${count})`}`,
    filters: "Фильтры",
    category: "Категория",
    brand: "Бренд",
    priceMin: "Цена от",
    priceMax: "Цена до",
    ratingMin: "Оценка от",
    anyOne: "Любая",
    apply: "Применить",
    clear: "Сбросить фильтры",
    narrowedTitle: "Ничего не осталось",
    narrowedText: "Под эти фильтры не подходит ни один похожий товар.",
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
