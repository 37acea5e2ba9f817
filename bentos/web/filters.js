// What the found cards can be narrowed by; shows only what they differ in, and knows no search.

import { formatNumber, words } from "./words.js";

const BRANDS_SHOWN = 12;
const STARS = [4.5, 4, 3];

/** Watches the form; `where` tells what is asked for, in the words of the API. */
export function filterForm(form, onChange) {
  let facets = null;

  function where() {
    const data = new FormData(form);
    const asked = {};
    if (data.get("category")) asked.category = JSON.parse(data.get("category"));
    if (data.has("brand")) asked.brands = data.getAll("brand");
    for (const name of ["price_min", "price_max", "rating_min"]) {
      if (data.get(name)) asked[name] = Number(data.get(name));
    }
    return asked;
  }

  function show(found) {
    const asked = where();
    facets = found;
    const parts = [categories(found, asked), brands(found, asked), prices(found, asked)];
    parts.push(ratings(found, asked));
    const shown = parts.filter((part) => part !== null);
    form.hidden = shown.length === 0;
    if (form.hidden) return form.replaceChildren();
    const clear = element("button", { type: "button", textContent: words().clear });
    clear.className = "clear";
    clear.onclick = clearAll;
    clear.hidden = Object.keys(asked).length === 0;
    return form.replaceChildren(...shown, clear);
  }

  function clearAll() {
    form.replaceChildren();
    show(facets);
    onChange();
  }

  function translate() {
    if (facets !== null) show(facets);
  }

  function forget() {
    facets = null;
    form.replaceChildren();
    form.hidden = true;
  }

  form.addEventListener("change", () => {
    if (!form.reportValidity()) return;
    form.querySelector(".clear").hidden = Object.keys(where()).length === 0;
    onChange();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  return { clearAll, forget, show, translate, where };
}

function categories({ categories: found }, asked) {
  const n_cards = Math.max(0, ...found.map((each) => each.n_cards));
  const telling = found.filter((each) => each.n_cards < n_cards); // the others leave nothing out
  if (telling.length === 0) return null;
  const options = telling.map(({ value, n_cards: n }) =>
    element("option", { value: JSON.stringify(value), textContent: `${value.join(" › ")} (${n})` }),
  );
  const select = element("select", { name: "category" });
  select.append(element("option", { value: "", textContent: words().anyOne }), ...options);
  select.value = asked.category === undefined ? "" : JSON.stringify(asked.category);
  return labelled(words().category, select);
}

function brands({ brands: found }, asked) {
  if (found.length < 2) return null;
  const group = element("fieldset");
  group.append(element("legend", { textContent: words().brand }));
  for (const { value, n_cards: n } of found.slice(0, BRANDS_SHOWN)) {
    const box = element("input", { type: "checkbox", name: "brand", value: value[0] });
    box.checked = asked.brands?.includes(value[0]) ?? false;
    const label = element("label", { className: "chip" });
    label.append(box, element("span", { textContent: `${value[0]} (${n})` }));
    group.append(label);
  }
  return group;
}

function prices({ price_min: least, price_max: most }, asked) {
  if (least === null || least === most) return null;
  const pair = element("div", { className: "pair" });
  for (const [name, label, hint] of [
    ["price_min", words().priceMin, least],
    ["price_max", words().priceMax, most],
  ]) {
    const input = element("input", { type: "number", name, min: "0", step: "any" });
    input.placeholder = formatNumber(hint);
    input.value = asked[name] ?? "";
    pair.append(labelled(label, input));
  }
  return pair;
}

function ratings({ rating_max: most }, asked) {
  const reached = STARS.filter((stars) => most !== null && stars <= most);
  if (reached.length === 0) return null;
  const select = element("select", { name: "rating_min" });
  select.append(element("option", { value: "", textContent: words().anyOne }));
  for (const stars of reached) {
    select.append(element("option", { value: stars, textContent: `★ ${formatNumber(stars)}` }));
  }
  select.value = asked.rating_min ?? "";
  return labelled(words().ratingMin, select);
}

function labelled(text, control) {
  const label = element("label");
  label.append(element("span", { textContent: text }), control);
  return label;
}

function element(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}
