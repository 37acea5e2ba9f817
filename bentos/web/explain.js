// Why an answer is as it is: what moved each card, what was left out, and where the time went.

import { pictureAt } from "./api.js";
import { bar, factList, make } from "./elements.js";
import { formatNumber, words } from "./words.js";

const PLAIN = { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" };

/** What each step of the search thought of a card, as bars to either side. */
export function reasonBars(reasons) {
  const most = Math.max(...reasons.map(({ value }) => Math.abs(value ?? 0)), 1e-9);
  const list = make("ul", "reasons");
  list.setAttribute("aria-label", words().reasonsOf);
  for (const { step, what, value } of reasons) {
    const item = make("li");
    item.title = `${step}: ${what}`;
    item.append(make("span", "what", nameOf(what)));
    if (value !== null) {
      const number = make("span", "number", formatNumber(value, PLAIN));
      item.append(bar(Math.abs(value) / most, value < 0), number);
    }
    list.append(item);
  }
  return list;
}

/** Fills the panel with all that an explained answer tells. */
export function showExplained(panel, answer, titles) {
  const { took_ms: tookMs, dropped, degraded = [], query_id: queryId } = answer;
  const map = make("figure", "map");
  panel.replaceChildren(
    make("h2", "", words().explained),
    ...(degraded.length > 0 ? [make("p", "", words().degraded(degraded))] : []),
    map,
    section(words().stages, stageBars(tookMs)),
    section(words().dropped, droppedList(dropped, titles)),
    section(words().madeBy, madeBy(answer)),
  );
  map.hidden = true;
  const isOfPhoto = answer.width !== undefined;
  if (isOfPhoto) showMap(map, queryId, { caption: words().mapCaption });
}

function madeBy({ release: ids, experiment }) {
  const { release, model, index, dataVersion } = words();
  const known = { release, model_id: model, index_id: index, data_version: dataVersion };
  const facts = Object.entries(ids).map(([name, id]) => [known[name] ?? name, id]);
  const arm = experiment ? `${experiment.name}: ${experiment.arm}` : null;
  return factList([...facts, [words().experiment, arm]]);
}

/** Where the model looked, or what of a card it matched; stays hidden where nobody draws it. */
export async function showMap(figure, queryId, { card = null, caption }) {
  figure.hidden = true;
  const of = card === null ? "" : `?card=${encodeURIComponent(card)}`;
  const address = await pictureAt(`v1/queries/${queryId}/maps${of}`);
  if (address === null || !figure.isConnected) return;
  const image = Object.assign(make("img"), { alt: caption, src: address });
  image.onload = () => URL.revokeObjectURL(address);
  figure.replaceChildren(image, make("figcaption", "quiet", caption));
  figure.hidden = false;
}

export function stageBars({ total, ...stages }) {
  const most = Math.max(...Object.values(stages), 1e-9);
  const list = make("ul", "reasons stages");
  for (const [stage, ms] of [...Object.entries(stages), [words().total, total]]) {
    const item = make("li");
    item.append(make("span", "what", stage.replaceAll("_", " ")), bar(ms / Math.max(most, total)));
    item.append(make("span", "number", formatNumber(ms, { maximumFractionDigits: 1 })));
    list.append(item);
  }
  return list;
}

function droppedList(dropped, titles) {
  if (dropped.length === 0) return make("p", "quiet", words().droppedNone);
  const list = make("ul", "left-out");
  for (const { card_id: id, instead, reasons } of dropped) {
    const why = reasons.filter(({ step }) => step === "policies").map(({ what }) => nameOf(what));
    const stands = instead === null ? [] : [words().insteadOf(titles.get(instead) ?? instead)];
    list.append(make("li", "", `${id}: ${[...why, ...stands].join(", ")}`));
  }
  return list;
}

function section(title, content) {
  const part = make("section");
  part.append(make("h3", "", title), content);
  return part;
}

function nameOf(what) {
  return words().reasons[what] ?? what.replaceAll("_", " ");
}
