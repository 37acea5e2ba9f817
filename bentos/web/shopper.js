// A key made by chance that this browser keeps, so that what one shopper did stays together.
// It says nothing of a person, and there is none where the browser asks not to be followed.

const KEPT_AS = "photosearch-shopper";

/** 128 bits of chance as 32 hex digits; `crypto.randomUUID` is missing on plain http. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the browser asks sites to leave its person alone: GPC, or Do Not Track. */
export function mayFollow() {
  return navigator.globalPrivacyControl !== true && navigator.doNotTrack !== "1";
}

/** The shopper's key, made at the first visit; null where the browser asks not to be followed. */
export function shopperKey() {
  try {
    if (!mayFollow()) {
      localStorage.removeItem(KEPT_AS);
      return null;
    }
    const kept = localStorage.getItem(KEPT_AS) ?? newKey();
    localStorage.setItem(KEPT_AS, kept);
    return kept;
  } catch {
    return mayFollow() ? newKey() : null; // a private window keeps nothing: a key for this visit
  }
}
