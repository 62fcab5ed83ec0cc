// What the reader chose. Cookies, so that the server renders language and theme right at once.

import { language, t } from "./strings.js";

const YEAR = 365 * 24 * 3600;
const dark = matchMedia("(prefers-color-scheme: dark)");

export function setUpPreferences({ onLanguage }) {
  document.getElementById("language").addEventListener("click", () => {
    switchLanguage();
    onLanguage();
  });
  document.getElementById("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember("theme", theme);
    showTheme();
  });
  dark.addEventListener("change", showTheme);
  showTheme();
}

/** The theme button's label, which is in the page's language. */
export function showTheme() {
  const button = document.getElementById("theme");
  button.setAttribute("aria-label", t(isDark() ? "to_light" : "to_dark"));
  button.title = button.getAttribute("aria-label");
  document.documentElement.classList.toggle("is-dark", isDark());
}

function switchLanguage() {
  const before = language();
  const after = before === "ko" ? "en" : "ko";
  document.documentElement.lang = after;
  document.getElementById("language").lang = before;
  remember("language", after);
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

export function remember(name, value) {
  document.cookie = `noongil_${name}=${value}; path=/; max-age=${YEAR}; SameSite=Lax`;
}

export function recall(name) {
  const kept = document.cookie.split("; ").find((item) => item.startsWith(`noongil_${name}=`));
  return kept?.split("=")[1] ?? null;
}
