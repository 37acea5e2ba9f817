// What is tried on shoppers and what came of it, as a sheet of the engineers' page.

import { make } from "./elements.js";
import { sheet, table, wide } from "./sheets.js";

/** Fills a sheet with what `GET /v1/experiments` says; null where the service tells none. */
export function experimentsSheet(told) {
  const found = told?.experiments ?? [];
  if (found.length === 0) return sheet("Experiments", make("p", "quiet", "None."));
  return wide(sheet("Experiments", ...found.flatMap(experiment)));
}

function experiment({ name, share, arms, started_at: from, stopped_at: to, is_served, readout }) {
  const span = `${day(from)} to ${to === null ? "now" : day(to)}`;
  const shoppers = `${Math.round(share * 100)}% of shoppers`;
  const serves = is_served ? "this service parts shoppers by it" : "not served here";
  return [
    make("h3", "", name),
    make("p", "quiet", `${span}, ${shoppers}, ${serves}`),
    table(["arm", "weight", "what it changes"], arms.map(armRow)),
    ...(readout === null
      ? [make("p", "quiet", "Not read out yet: run photosearch experiment report.")]
      : outcome(readout)),
  ];
}

function armRow({ name, weight, ...changes }) {
  const told = Object.entries(changes).filter(([, value]) => ![null, "", true].includes(value));
  return [name, weight, told.map(([what, to]) => `${what} ${to}`).join(", ") || "nothing"];
}

function outcome({ verdict, read_at: readAt, mismatch_p: uneven, arms }) {
  const rows = arms.flatMap(({ arm, counted, metrics }) =>
    metrics.map(({ metric, value, difference, low, high }) => [
      arm, counted, metric, number(value), interval(difference, low, high),
    ]),
  );
  return [
    make("p", "", verdict),
    make("p", "quiet", `Read ${day(readAt)}; shares of the arms: p ${uneven.toPrecision(3)}`),
    table(["arm", "shoppers", "metric", "value", "against the control"], rows),
  ];
}

function interval(difference, low, high) {
  if (difference === null) return "";
  if (low === null || high === null) return number(difference);
  return `${number(difference)} (${number(low)} to ${number(high)})`;
}

function number(value) {
  return value === null ? "" : value.toPrecision(3);
}

function day(at) {
  return at.slice(0, 16).replace("T", " ");
}
