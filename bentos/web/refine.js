// What a shopper adds to an ask: words, tags to tap, cards liked and not; knows no search.

import { TEXT_MAX } from "./ask.js";
import { drawing, make, textButton } from "./elements.js";
import { titleOf } from "./results.js";
import { currentLanguage, words } from "./words.js";

/** Watches the text form; `acts` says words and takes opinions back. */
export function refinements({ form, chips, likes }, acts) {
  const input = form.querySelector("input");
  let said = "";

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    acts.say(input.value);
  });

  /** Shows what is said already, and the tags that would narrow the answer. */
  function show(ask, offered) {
    const isBesidePhoto = ask.photo !== null;
    const label = isBesidePhoto ? words().addWords : words().searchWords;
    input.placeholder = isBesidePhoto ? words().addWordsHint : words().wordsHint;
    input.setAttribute("aria-label", label);
    input.required = !isBesidePhoto; // beside a photo, no words are an answer too
    if (ask.text !== said) input.value = ask.text; // else it is being written
    said = ask.text;
    const told = offered.filter(({ tag }) => fits(ask.text, tag));
    put(chips, inOwnLanguage(told).map((chip) => chipElement(chip, ask, acts)));
    put(likes, [
      ...ask.liked.map((card) => opinionElement("liked", card, acts)),
      ...ask.disliked.map((card) => opinionElement("disliked", card, acts)),
    ]);
  }

  return { show };
}

/** Fills a list anew; who had the focus there keeps the place. */
function put(list, items) {
  const place = [...list.children].findIndex((item) => item.contains(document.activeElement));
  list.replaceChildren(...items);
  list.hidden = items.length === 0;
  if (place >= 0) items[Math.min(place, items.length - 1)]?.querySelector("button").focus();
}

/** A tag that the words hold already narrows nothing. */
function fits(text, tag) {
  const said = text.toLowerCase();
  return !said.includes(tag.toLowerCase()) && said.length + tag.length < TEXT_MAX;
}

function inOwnLanguage(chips) {
  const own = chips.filter(({ language }) => language === currentLanguage());
  return own.length > 0 ? own : chips;
}

function chipElement({ tag, n_found: n }, { text }, acts) {
  const item = make("li");
  const button = textButton("tag", tag, () => acts.say(`${text} ${tag}`.trim()));
  button.setAttribute("aria-label", words().addChip(tag));
  if (n > 0) button.append(make("span", "number", ` ${n}`));
  item.append(button);
  return item;
}

function opinionElement(list, card, acts) {
  const item = make("li", `opinion ${list}`);
  const title = titleOf(card);
  const button = textButton("", "", () => acts.judge(list, card));
  button.setAttribute("aria-label", words().takeBack(title));
  button.title = words().takeBack(title);
  if (card.thumbnail !== null) {
    button.append(Object.assign(make("img"), { src: card.thumbnail, alt: "" }));
  }
  button.append(make("span", "", words()[list]), drawing("close"));
  item.append(button);
  return item;
}
