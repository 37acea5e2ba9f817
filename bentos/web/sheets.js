// Sheets and tables of the engineers' page; what comes from the server goes in as text.

import { make } from "./elements.js";

export function sheet(title, ...content) {
  const section = make("section", "sheet");
  section.append(make("h2", "", title), ...content);
  return section;
}

export function wide(section) {
  section.classList.add("wide");
  return section;
}

/** Rows of texts and numbers; a wide one scrolls by itself. */
export function table(names, rows) {
  const made = make("table");
  const head = make("tr");
  for (const name of names) head.append(Object.assign(make("th", "", name), { scope: "col" }));
  const body = make("tbody");
  for (const row of rows) {
    const line = make("tr");
    for (const value of row) line.append(make("td", "", String(value)));
    body.append(line);
  }
  made.append(make("thead"), body);
  made.firstChild.append(head);
  const scrolls = make("div", "scrolls");
  scrolls.tabIndex = 0;
  scrolls.setAttribute("role", "group");
  scrolls.setAttribute("aria-label", names.join(", "));
  scrolls.append(made);
  return scrolls;
}
