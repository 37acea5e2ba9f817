// What the found cards can be narrowed by; shows only what they differ in, and knows no search.

import { make, textButton } from "./elements.js";
import { formatNumber, words } from "./words.js";

const BRANDS_SHOWN = 12;
const STARS = [4.5, 4, 3];

/** Shows what narrows an answer; `onChange` gets what is asked for, in the API's words. */
export function filterForm(form, onChange) {
  let shown = ""; // what the form was made of: it is not made anew below somebody's fingers

  function show(facets, where) {
    const wanted = JSON.stringify([facets, where, document.documentElement.lang]);
    if (wanted === shown) return;
    shown = wanted;
    const parts = [categories(facets, where), brands(facets, where), prices(facets, where)];
    parts.push(ratings(facets, where));
    const filled = parts.filter((part) => part !== null);
    form.hidden = filled.length === 0;
    const clear = textButton("clear", words().clear, () => onChange({}));
    clear.hidden = Object.keys(where).length === 0;
    form.replaceChildren(...filled, ...(form.hidden ? [] : [clear]));
  }

  function forget() {
    shown = "";
    form.hidden = true;
    form.replaceChildren();
  }

  form.addEventListener("change", () => {
    if (!form.reportValidity()) return;
    const where = whereOf(new FormData(form));
    form.querySelector(".clear").hidden = Object.keys(where).length === 0;
    const [facets, , language] = JSON.parse(shown);
    shown = JSON.stringify([facets, where, language]);
    onChange(where);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  return { forget, show };
}

function whereOf(data) {
  const where = {};
  if (data.get("category")) where.category = JSON.parse(data.get("category"));
  if (data.has("brand")) where.brands = data.getAll("brand");
  for (const name of ["price_min", "price_max", "rating_min"]) {
    if (data.get(name)) where[name] = Number(data.get(name));
  }
  return where;
}

function categories({ categories: found }, where) {
  const most = Math.max(0, ...found.map((each) => each.n_cards));
  const telling = found.filter((each) => each.n_cards < most); // the others leave nothing out
  const asked = where.category ?? null;
  if (telling.length === 0 && asked === null) return null;
  const isThere = telling.some((each) => isSame(each.value, asked));
  const values = asked === null || isThere ? telling : [{ value: asked, n_cards: null }, ...telling];
  const options = values.map(({ value, n_cards: n }) =>
    option(JSON.stringify(value), counted(value.join(" › "), n)),
  );
  return choice("category", words().category, {
    options,
    value: asked === null ? "" : JSON.stringify(asked),
  });
}

// An answer tells the most frequent alone: of another that is asked for nobody knows how many.
function counted(name, n) {
  return n === null ? name : `${name} (${n})`;
}

function brands({ brands: found }, where) {
  const asked = where.brands ?? [];
  if (found.length < 2 && asked.length === 0) return null;
  const known = found.map(({ value, n_cards: n }) => [value[0], n]);
  const shown = known.filter(([name], place) => place < BRANDS_SHOWN || asked.includes(name));
  const lost = asked.filter((name) => !known.some(([each]) => each === name));
  const group = make("fieldset");
  group.append(make("legend", "", words().brand));
  for (const [name, n] of [...shown, ...lost.map((each) => [each, null])]) {
    const label = make("label", "chip");
    const box = Object.assign(make("input"), { type: "checkbox", name: "brand", value: name });
    box.checked = asked.includes(name);
    label.append(box, make("span", "", counted(name, n)));
    group.append(label);
  }
  return group;
}

function prices({ price_min: least, price_max: most }, where) {
  const isAsked = "price_min" in where || "price_max" in where;
  if ((least === null || least === most) && !isAsked) return null;
  const pair = make("div", "pair");
  for (const [name, label, hint] of [
    ["price_min", words().priceMin, least],
    ["price_max", words().priceMax, most],
  ]) {
    const input = Object.assign(make("input"), { type: "number", name, min: "0", step: "any" });
    input.placeholder = hint === null ? "" : formatNumber(hint);
    input.value = where[name] ?? "";
    pair.append(labelled(label, input));
  }
  return pair;
}

function ratings({ rating_max: most }, where) {
  const asked = where.rating_min;
  const reached = STARS.filter((stars) => most !== null && stars <= most && stars !== asked);
  const offered = asked === undefined ? reached : [...reached, asked].sort((a, b) => b - a);
  if (offered.length === 0) return null;
  const options = offered.map((stars) => option(stars, `★ ${formatNumber(stars)}`));
  return choice("rating_min", words().ratingMin, { options, value: asked ?? "" });
}

function choice(name, label, { options, value }) {
  const select = Object.assign(make("select"), { name });
  select.append(option("", words().anyOne), ...options);
  select.value = value;
  return labelled(label, select);
}

function option(value, text) {
  return Object.assign(make("option", "", text), { value });
}

function labelled(text, control) {
  const label = make("label");
  label.append(make("span", "", text), control);
  return label;
}

function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
