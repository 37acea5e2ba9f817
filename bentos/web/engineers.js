// The engineers' page: what is live, how it was judged, what is tried, and where the time goes.

import { lookUp } from "./api.js";
import { bar, factList, make, textButton } from "./elements.js";
import { experimentsSheet } from "./experiments.js";
import { forgetTimes, recentTimes } from "./recent.js";
import { sheet, table, wide } from "./sheets.js";

const main = document.getElementById("main");
const state = document.getElementById("state");

async function start() {
  const [manifest, report, experiments] = await Promise.all([
    lookUp("v1/release"),
    lookUp("v1/release/report"),
    lookUp("v1/experiments"),
  ]);
  main.setAttribute("aria-busy", "false");
  state.textContent = manifest === null ? "The service does not answer." : "";
  if (manifest !== null) main.append(releaseSheet(manifest), indexSheet(manifest));
  if (report !== null) {
    main.append(verdictSheet(report));
    if (report.refused) main.append(sheet("Last candidate", ...judged(report.refused)));
    main.append(calibrationSheet(report.calibration));
    main.append(metricsSheet(report.metrics), switchesSheet(report.switches));
  }
  main.append(experimentsSheet(experiments), timesSheet());
}

function releaseSheet(manifest) {
  return sheet("Release", factList([
    ["release", manifest.release],
    ["model", manifest.model_id],
    ["index", manifest.index_id],
    ["data", manifest.data_version],
    ["made", new Date(manifest.created_at).toLocaleString("en-GB", { timeZoneName: "short" })],
    ["lengths", manifest.lengths.join(", ")],
    ...Object.entries(manifest.parts ?? {}).map(([part, id]) => [`part ${part}`, id]),
  ]));
}

function indexSheet(manifest) {
  return sheet("Index", factList([
    ["kind", manifest.index_kind],
    ["products", count(manifest.n_cards)],
    ["photos", count(manifest.n_photos)],
    ["vector length", manifest.dim],
    ["photos a query", manifest.hits_per_query],
    ["recall@10 against exact", manifest.recall_at_10_vs_exact],
  ]));
}

function verdictSheet({ model, verdict, labels, data }) {
  const parts = [];
  if (!verdict?.reasons) {
    const isFrozen = model?.pooling === "mean";
    const why = isFrozen
      ? "None: this is the tower as it came. No candidate has passed the gate yet."
      : "Not known: this model was made before model cards.";
    parts.push(make("p", "quiet", why));
  } else {
    parts.push(...judged(verdict));
  }
  const trained = factList([
    ["source", data?.source],
    ["products", data?.products],
    ["photos", data?.photos],
    ["answers", Object.entries(labels?.answers ?? {}).map(([k, n]) => `${k} ${n}`).join(", ")],
    ["annotators", labels?.annotators],
  ]);
  const isTold = trained.children.length > 0;
  return sheet("Gate", ...parts, ...(isTold ? [make("h3", "", "Trained on"), trained] : []));
}

/** A verdict of the gate as a badge, its reasons and its figures. */
function judged(verdict) {
  const { is_promoted: isPromoted, override } = verdict;
  const badge = make("p", isPromoted ? "verdict" : "verdict refused");
  badge.textContent = isPromoted ? "Promoted" : "Refused";
  const reasons = make("ul", "reasons-of-gate");
  for (const reason of verdict.reasons) {
    reasons.append(make("li", reason.startsWith("ok") ? "" : "no", reason));
  }
  const who = [["champion", verdict.champion_id], ["candidate", verdict.candidate_id]];
  const { champion_mean: before, candidate_mean: after } = verdict;
  const means = [["champion has", before], ["candidate has", after]];
  const by = `${verdict.metric} at ${verdict.length}`;
  const asked = [["metric", by], ["queries", verdict.n_queries]];
  const saidSo = override ? [["override", JSON.stringify(override)]] : [];
  return [badge, reasons, factList([...who, ...asked, ...means, ...saidSo])];
}

function calibrationSheet(calibration) {
  if (!calibration) return sheet("Calibration", make("p", "quiet", "None."));
  const { abstention, bins } = calibration;
  const rows = bins.map(({ said, happened, pairs }) => [percent(said), percent(happened), pairs]);
  const sure = abstention.score === null
    ? `No score reaches precision ${abstention.precision}: no answer is called sure.`
    : `Sure from ${abstention.score.toFixed(3)}: ${percent(abstention.answered)} of queries.`;
  return sheet(
    "Calibration",
    make("p", "quiet", `${sure} Calibration error ${calibration.calibration_error}.`),
    table(["said", "happened", "pairs"], rows),
  );
}

function metricsSheet(metrics) {
  if (!metrics?.lengths) return sheet("Offline", make("p", "quiet", "Not known."));
  const slices = [[`all (${metrics.queries})`, metrics]];
  for (const [name, slice] of Object.entries(metrics.slices ?? {})) {
    slices.push([`${name} (${slice.queries})`, slice]);
  }
  const columns = Object.keys(Object.values(metrics.lengths)[0]);
  const rows = slices.flatMap(([slice, { lengths, baseline }]) =>
    Object.keys(lengths).sort((a, b) => b - a).flatMap((length) => [
      [slice, length, "model", ...columns.map((name) => fixed(lengths[length][name]))],
      [slice, length, "mean pooling", ...columns.map((name) => fixed(baseline[length]?.[name]))],
    ]),
  );
  const said = `Photo to card, gallery: ${metrics.gallery}, data ${metrics.data_version}.`;
  const found = table(["slice", "length", "by", ...columns], rows);
  return wide(sheet("Offline", make("p", "quiet", said), found));
}

function switchesSheet(switches) {
  if (switches === null) {
    return sheet("Releases", make("p", "quiet", "This service serves one packed release."));
  }
  const rows = switches.map(({ at, release, model_id: model, rolled_back_because: why }) => [
    at.slice(0, 19).replace("T", " "),
    release,
    model,
    why === null ? "went live" : `rolled back: ${why}`,
  ]);
  return wide(sheet("Releases", table(["at, UTC", "release", "model", "what"], rows)));
}

/** Medians and 95th percentiles by stage of the last searches of this browser. */
function timesSheet() {
  const times = recentTimes();
  const title = `Time by stage, last ${times.length} searches of this browser`;
  const none = make("p", "quiet", "None yet: search for something.");
  if (times.length === 0) return sheet(title, none);
  const stages = [...new Set(times.flatMap((each) => Object.keys(each)))];
  const most = Math.max(...stages.map((stage) => quantile(times, stage, 0.95)));
  const list = make("ul", "reasons stages");
  const head = make("li");
  head.append(make("span", "what", "stage"), make("span"));
  head.append(make("span", "number", "p50, ms"), make("span", "number", "p95, ms"));
  list.append(head);
  for (const stage of stages) {
    const [p50, p95] = [quantile(times, stage, 0.5), quantile(times, stage, 0.95)];
    const item = make("li");
    item.append(make("span", "what", stage.replaceAll("_", " ")), bar(p50 / most));
    item.append(make("span", "number", p50.toFixed(1)), make("span", "number", p95.toFixed(1)));
    list.append(item);
  }
  const forget = textButton("", "Forget", () => {
    forgetTimes();
    whole.replaceWith(timesSheet());
  });
  const whole = sheet(title, list, forget);
  return whole;
}

function quantile(times, stage, share) {
  const values = times.map((each) => each[stage]).filter((ms) => ms !== undefined);
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(share * values.length))];
}

function count(n) {
  return n.toLocaleString("en");
}

function percent(share) {
  return share.toLocaleString("en", { style: "percent", maximumFractionDigits: 1 });
}

function fixed(value) {
  return value === undefined ? "" : value.toFixed(3);
}

start();
