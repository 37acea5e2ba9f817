// Makes elements; what comes from a server goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = {
  like:
    "M7 11v9H4v-9zM7 11l4-8a2.4 2.4 0 0 1 2.4 2.9L12.8 9H19a2 2 0 0 1 2 2.4l-1.4 7" +
    "A2 2 0 0 1 17.6 20H7",
  dislike:
    "M17 13V4h3v9zM17 13l-4 8a2.4 2.4 0 0 1-2.4-2.9l.6-3.1H5a2 2 0 0 1-2-2.4l1.4-7" +
    "A2 2 0 0 1 6.4 4H17",
  alike: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM20 20l-4.9-4.9M10.5 8v5M8 10.5h5",
  close: "M6 6l12 12M18 6L6 18",
};

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

/** A button that says what it does to those who do not see its icon. */
export function iconButton(icon, label, act) {
  const button = make("button", `tool ${icon}`);
  button.type = "button";
  button.title = label;
  button.setAttribute("aria-label", label);
  button.append(drawing(icon));
  button.addEventListener("click", act);
  return button;
}

export function textButton(className, text, act) {
  const button = make("button", className, text);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

export function drawing(icon) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", DRAWN[icon]);
  svg.append(path);
  return svg;
}

/** Names and values as a list of terms; empty ones are left out. */
export function factList(facts) {
  const list = make("dl", "facts");
  for (const [name, value] of facts) {
    if (value === null || value === undefined || value === "") continue;
    list.append(make("dt", "", name), make("dd", "", String(value)));
  }
  return list;
}

/** A bar for a number: `share` is its length, 0 to 1; a negative number grows to the left. */
export function bar(share, isNegative = false) {
  const track = make("span", "track");
  const filled = make("span", isNegative ? "filled down" : "filled");
  filled.style.width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  track.append(filled);
  return track;
}
