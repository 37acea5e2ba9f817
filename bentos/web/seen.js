// Which cards came into view: half of one, for a second; knows nothing of who wants to know.

const HALF = 0.5;
const LOOKED_MS = 1000;

/** Watches cards of a list; `onSeen` gets each element once. */
export function watchSeen(onSeen) {
  const timers = new Map();
  const seen = new WeakSet();

  function forget(element) {
    clearTimeout(timers.get(element));
    timers.delete(element);
  }

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        forget(target);
        if (!isIntersecting || seen.has(target)) continue;
        timers.set(target, setTimeout(() => {
          forget(target);
          if (document.visibilityState === "hidden" || !target.isConnected) return;
          seen.add(target);
          observer.unobserve(target);
          onSeen(target);
        }, LOOKED_MS));
      }
    },
    { threshold: HALF },
  );

  /** Watches these elements and no longer those of before. */
  return function watch(elements) {
    for (const element of [...timers.keys()]) forget(element);
    observer.disconnect();
    for (const element of elements) if (!seen.has(element)) observer.observe(element);
  };
}
