"use strict";
// What every page shares: the state in the address, and the theme that a reader chose.
const site = {
  /** Return the state in the address as a plain object: #q=ddid&sort=map */
  state() {
    return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  },

  /** Change some keys of the state; an empty value takes a key out. No entry is added to the history. */
  setState(changes) {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const [key, value] of Object.entries(changes)) {
      if (value === "" || value === null || value === undefined) state.delete(key);
      else state.set(key, value);
    }
    const text = state.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  },

  /** Return the data that a page carries in a script element of type application/json. */
  data(id) {
    return JSON.parse(document.getElementById(id).textContent);
  },
};

(() => {
  const store = {
    get() { try { return localStorage.getItem("theme"); } catch { return null; } },
    set(theme) { try { localStorage.setItem("theme", theme); } catch { /* a private window keeps nothing */ } },
  };
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const shown = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const chosen = store.get();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => { button.textContent = shown() === "dark" ? "Light" : "Dark"; };
    button.hidden = false;
    tell();
    button.addEventListener("click", () => {
      root.dataset.theme = shown() === "dark" ? "light" : "dark";
      store.set(root.dataset.theme);
      tell();
    });
    dark.addEventListener("change", tell);
  });
})();
