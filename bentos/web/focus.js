// Keeps the place of whoever uses the keyboard while the page changes below it.

/** Makes a change; if what had the focus is gone by it, the focus goes on at what `next` gives.
 *
 * What still has it, and what the change itself gave it to, keeps it.
 */
export function keepFocus(change, next) {
  const hadFocus = document.activeElement !== document.body;
  change();
  if (hadFocus && !isShown(document.activeElement)) next()?.focus({ preventScroll: true });
}

/** A hidden element loses the focus only when the page is drawn again. */
function isShown(element) {
  return element !== document.body && element.offsetHeight > 0;
}
