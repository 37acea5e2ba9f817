// How long the last searches of this browser took, stage by stage, for the engineers' page.

const KEPT_AS = "photosearch-times";
const KEPT_MOST = 200;

/** Keeps `took_ms` of one answer, and the time until the browser had it. */
export function keepTimes(tookMs, waitedMs) {
  const times = [...recentTimes(), { ...tookMs, browser: waitedMs }].slice(-KEPT_MOST);
  try {
    localStorage.setItem(KEPT_AS, JSON.stringify(times));
  } catch {
    // A private window keeps nothing: the engineers' page then has nothing to show.
  }
}

/** Milliseconds by stage, one object a search, oldest first. */
export function recentTimes() {
  try {
    return JSON.parse(localStorage.getItem(KEPT_AS)) ?? [];
  } catch {
    return [];
  }
}

export function forgetTimes() {
  try {
    localStorage.removeItem(KEPT_AS);
  } catch {
    // As above.
  }
}
