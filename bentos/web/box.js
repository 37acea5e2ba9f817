// One box over a photo, drawn, moved and resized by pointer or keyboard, or taken from those that
// are offered by a tap; knows nothing of search.
// A box is {left, top, right, bottom} as shares of the photo, 0 to 1.

const SMALLEST = 0.04;
const SMALLEST_PX = 9; // of the photo: a search takes 8, and both ends are rounded
const TAP_PX = 10; // fingers tremble
const CLICK_PX = 5; // a mouse is steadier: it may move a box by less
const KEY_STEP = 0.02;
const KEYS_REST_MS = 500;
const MIDDLE = { left: 0.25, top: 0.25, right: 0.75, bottom: 0.75 };
const ARROWS = {
  ArrowLeft: [-KEY_STEP, 0],
  ArrowRight: [KEY_STEP, 0],
  ArrowUp: [0, -KEY_STEP],
  ArrowDown: [0, KEY_STEP],
};

/** Watches `surface`, which covers the photo, and shows the box as `frame`.
 *
 * `onPick` gets a box, or null for the whole photo, once the person has let go. `offer` shows boxes
 * to choose from, each as a button; `show` shows one as chosen, and tells nobody; `measure` says how
 * many pixels the photo has.
 */
export function boxPicker(surface, frame, onPick) {
  let offered = [];
  let box = null;
  let least = { across: SMALLEST, down: SMALLEST };
  let drag = null;
  let rest = 0;

  function show(wanted) {
    box = wanted;
    frame.hidden = box === null;
    if (box !== null) place(frame, box);
    for (const each of offered) each.button.hidden = box !== null && isSame(each.box, box);
  }

  function measure({ width, height }) {
    least = { across: leastOf(width), down: leastOf(height) };
  }

  function pick(wanted) {
    show(wanted);
    onPick(wanted);
  }

  function rename(nameOf) {
    offered.forEach(({ button }, number) => button.setAttribute("aria-label", nameOf(number + 1)));
  }

  function offer(boxes, nameOf) {
    const isAsBefore = boxes.length === offered.length
      && boxes.every((each, place) => isSame(each, offered[place].box));
    if (isAsBefore) return; // one of the buttons may have the focus
    for (const { button } of offered) button.remove();
    offered = boxes.map((each) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "object";
      place(button, each);
      // The keyboard's click: pointers go through to the surface, which must know a tap from a drag.
      button.addEventListener("click", () => {
        surface.focus({ preventScroll: true }); // the button of what is chosen goes
        pick(each);
      });
      surface.append(button);
      return { box: each, button };
    });
    rename(nameOf);
    show(box);
  }

  /** The smallest box offered at a point; one that is chosen already is not offered. */
  function offeredAt({ x, y }) {
    const there = offered
      .map((each) => each.box)
      .filter((each) => x >= each.left && x <= each.right && y >= each.top && y <= each.bottom)
      .filter((each) => !isSame(each, box))
      .sort((a, b) => areaOf(a) - areaOf(b));
    return there[0] ?? null;
  }

  function pointOf(event) {
    const { left, top, width, height } = surface.getBoundingClientRect();
    return { x: share((event.clientX - left) / width), y: share((event.clientY - top) / height) };
  }

  surface.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    surface.setPointerCapture(event.pointerId);
    const point = pointOf(event);
    const corner = event.target.dataset.corner;
    const start = { from: point, pressed: event, before: box };
    if (corner) {
      drag = { ...start, kind: "stretch", anchor: opposite(box, corner) };
    } else if (frame.contains(event.target)) {
      drag = { ...start, kind: "move" };
    } else {
      drag = { ...start, kind: "draw", anchor: point };
    }
  });

  function follow(event) {
    const point = pointOf(event);
    show(
      drag.kind === "move"
        ? moved(drag.before, point.x - drag.from.x, point.y - drag.from.y)
        : between(drag.anchor, point),
    );
  }

  surface.addEventListener("pointermove", (event) => {
    if (drag !== null && !isTap(drag.pressed, event)) follow(event);
  });

  surface.addEventListener("pointerup", (event) => {
    if (drag === null) return;
    const { kind, from, pressed, before } = drag;
    const isStill = isTap(pressed, event);
    if (!isStill) follow(event);
    drag = null;
    if (isStill || (kind !== "move" && isTiny(box, least))) {
      show(before);
      // A tap takes the box that is offered there; beside all boxes it takes the chosen one away.
      show(offeredAt(from) ?? (kind === "draw" ? null : before));
    }
    if (!isSame(box, before)) onPick(box);
  });

  surface.addEventListener("pointercancel", () => {
    if (drag !== null) show(drag.before);
    drag = null;
  });

  surface.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && box !== null) {
      show(null);
    } else if (event.key in ARROWS && event.target === surface) {
      const [x, y] = ARROWS[event.key];
      show(box === null ? MIDDLE : event.shiftKey ? resized(box, { x, y, least }) : moved(box, x, y));
    } else {
      return;
    }
    event.preventDefault();
    clearTimeout(rest);
    rest = setTimeout(() => onPick(box), KEYS_REST_MS);
  });

  return { clear: () => show(null), measure, offer, rename, show };
}

function place(element, box) {
  element.style.left = `${box.left * 100}%`;
  element.style.top = `${box.top * 100}%`;
  element.style.width = `${(box.right - box.left) * 100}%`;
  element.style.height = `${(box.bottom - box.top) * 100}%`;
}

function areaOf(box) {
  return (box.right - box.left) * (box.bottom - box.top);
}

function isTap(pressed, released) {
  const most = pressed.pointerType === "mouse" ? CLICK_PX : TAP_PX;
  const across = Math.abs(pressed.clientX - released.clientX);
  return across <= most && Math.abs(pressed.clientY - released.clientY) <= most;
}

function share(value) {
  return Math.min(1, Math.max(0, value));
}

function between(a, b) {
  return {
    left: Math.min(a.x, b.x),
    top: Math.min(a.y, b.y),
    right: Math.max(a.x, b.x),
    bottom: Math.max(a.y, b.y),
  };
}

function opposite(box, corner) {
  const [side, end] = corner.split(" ");
  return {
    x: side === "left" ? box.right : box.left,
    y: end === "top" ? box.bottom : box.top,
  };
}

function moved(box, x, y) {
  const dx = Math.min(1 - box.right, Math.max(-box.left, x));
  const dy = Math.min(1 - box.bottom, Math.max(-box.top, y));
  return { left: box.left + dx, top: box.top + dy, right: box.right + dx, bottom: box.bottom + dy };
}

function resized(box, { x, y, least }) {
  return {
    ...box,
    right: Math.min(1, Math.max(box.left + least.across, box.right + x)),
    bottom: Math.min(1, Math.max(box.top + least.down, box.bottom + y)),
  };
}

function leastOf(sidePx) {
  return Math.max(SMALLEST, SMALLEST_PX / sidePx);
}

function isTiny(box, least) {
  return box.right - box.left < least.across || box.bottom - box.top < least.down;
}

function isSame(a, b) {
  if (a === null || b === null) return a === b;
  return Object.keys(a).every((side) => a[side] === b[side]);
}
