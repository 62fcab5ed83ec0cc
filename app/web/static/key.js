// The key that the API is asked with: kept for this tab, until it is closed or signed out.

import { t } from "./strings.js";

const NAME = "noongil_key";
const dialog = document.getElementById("key");
const input = dialog.querySelector("input");
let asking = null;

export const key = () => sessionStorage.getItem(NAME);

/** Whether the reader gave one. Who asks while the reader is being asked waits for the same. */
export function askForKey({ refused = false } = {}) {
  asking ??= ask(refused).finally(() => (asking = null));
  return asking;
}

function ask(refused) {
  dialog.querySelector(".wrong").textContent = refused ? t("key_refused") : "";
  dialog.returnValue = "";
  input.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(take()), { once: true });
  });
}

function take() {
  const given = dialog.returnValue === "use";
  if (given) sessionStorage.setItem(NAME, input.value);
  input.value = "";
  showSignOut();
  return given;
}

export function setUpKey() {
  input.addEventListener("input", () => input.setCustomValidity(""));
  input.addEventListener("invalid", () => {
    if (input.validity.patternMismatch) input.setCustomValidity(t("key_pattern"));
  });
  dialog.querySelector("[type=button]").addEventListener("click", () => dialog.close());
  const signOut = document.getElementById("sign-out");
  signOut.addEventListener("click", () => {
    sessionStorage.removeItem(NAME);
    location.reload();
  });
  showSignOut();
}

function showSignOut() {
  document.getElementById("sign-out").hidden = !key();
}
