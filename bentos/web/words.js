// The language of the page and how texts and numbers read in it; knows nothing of what it does.

import { ENGLISH } from "./words_en.js";
import { RUSSIAN } from "./words_ru.js";

const WORDS = { en: ENGLISH, ru: RUSSIAN };
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
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = words()[element.dataset.placeholder];
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
