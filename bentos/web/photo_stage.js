// The shopper's photo with the boxes on it; knows nothing of search.

import { boxPicker } from "./box.js";
import { words } from "./words.js";

const WHOLE = { left: 0, top: 0, right: 1, bottom: 1 };

const at = (id) => document.getElementById(id);

/** Shows the photo of an ask; `onPick` gets the box to search, in shares of the photo. */
export function photoStage(onPick) {
  const image = at("photo");
  const picker = boxPicker(at("surface"), at("frame"), (box) => onPick(box ?? WHOLE));
  let photo = null;

  /** Shows what is asked for, and what else of the photo can be searched once an answer says so. */
  function show(ask, answer) {
    at("another").textContent = ask.photo === null ? words().choose : words().another;
    if (ask.photo !== photo) put(ask.photo);
    if (answer !== null && photo !== null) {
      picker.offer(answer.objects.map(({ box }) => inShares(box, answer)), words().object);
    }
    if (ask.box !== null) picker.show(isWhole(ask.box) ? null : ask.box);
    else if (answer !== null && photo !== null) {
      picker.show(answer.box === null ? null : inShares(answer.box, answer));
    }
    at("whole").hidden = at("frame").hidden;
  }

  function put(wanted) {
    photo = wanted;
    picker.clear();
    picker.offer([], words().object);
    URL.revokeObjectURL(image.src);
    const isReady = photo !== null && photo.width !== null;
    at("work").dataset.photo = isReady ? "ready" : "none";
    if (isReady) picker.measure(photo);
    if (photo === null) image.removeAttribute("src");
    else image.src = URL.createObjectURL(photo.file);
    translate({ photo });
  }

  function translate({ photo: named }) {
    image.alt = named === null ? "" : words().photoAlt(named.file.name);
    picker.rename(words().object);
  }

  at("whole").onclick = () => {
    picker.clear();
    at("surface").focus({ preventScroll: true }); // this button goes
    onPick(WHOLE);
  };
  return { show, translate };
}

function inShares([left, top, right, bottom], { width, height }) {
  return {
    left: left / width,
    top: top / height,
    right: right / width,
    bottom: bottom / height,
  };
}

function isWhole({ left, top, right, bottom }) {
  return left === 0 && top === 0 && right === 1 && bottom === 1;
}
