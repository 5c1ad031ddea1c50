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

  /** Return an element; children are elements or text, which is never read as HTML. */
  make(tag, attributes = {}, ...children) {
    const svg = ["svg", "g", "polyline", "circle", "rect", "line"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  },

  /** Return a table with a heading; each row is a list of cells, each text or an element. */
  makeTable(caption, headings, rows) {
    const head = headings.map((text, place) => site.make("th", { scope: "col", ...(place ? { class: "n" } : {}) }, text));
    const lines = rows.map(({ cells, name = "" }) => {
      const made = cells.map((cell, place) => site.make(place ? "td" : "th", place ? { class: "n" } : { scope: "row" }, cell));
      return site.make("tr", name ? { class: name } : {}, ...made);
    });
    return site.make("table", {}, site.make("caption", {}, site.make("span", {}, caption)),
      site.make("thead", {}, site.make("tr", {}, ...head)), site.make("tbody", {}, ...lines));
  },

  /** Return a number as text: 12.3, or 12.3 ± 0.4. */
  text(value, std = null) {
    if (value === null) return "–";
    return std === null ? value.toFixed(1) : `${value.toFixed(1)} ± ${std.toFixed(1)}`;
  },
};

(() => {
  const store = {
    get() { try { return localStorage.getItem("theme"); } catch { return null; } },
    set(theme) { try { localStorage.setItem("theme", theme); } catch { /* a private window keeps nothing */ } },
  };
  const root = document.documentElement;
  root.classList.add("script");
  addEventListener("error", () => root.classList.remove("script"));
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
