// Queries to begin with, in the page's language and then in the other one.

import { language, wordsOf } from "../strings.js";

const OWN = 6;

export function showExamples() {
  const own = language();
  const other = own === "ko" ? "en" : "ko";
  document
    .getElementById("examples")
    .replaceChildren(row(own, [0, OWN]), row(other, [OWN]));
}

function row(lang, range) {
  const line = document.createElement("p");
  line.lang = lang;
  const texts = wordsOf(lang).examples.split("|").slice(...range);
  line.append(...texts.map(chip));
  return line;
}

function chip(text) {
  const link = document.createElement("a");
  link.className = "chip example";
  link.href = `?${new URLSearchParams({ q: text })}`;
  link.dataset.q = text;
  link.textContent = text;
  return link;
}
