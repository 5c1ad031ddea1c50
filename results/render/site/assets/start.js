"use strict";
// The first page: boards found by what is in them.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("filters");
  const counter = document.getElementById("counter");
  const reset = document.getElementById("reset");
  const boards = [...document.querySelectorAll(".boards > li[data-words]")];

  const filter = () => {
    const wanted = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const board of boards) board.hidden = !wanted.every((word) => board.dataset.words.includes(word));
    const shown = boards.filter((board) => !board.hidden).length;
    const hidden = boards.length - shown;
    counter.textContent = hidden ? `${shown} of ${boards.length} boards; the search hides ${hidden}` : `All ${boards.length} boards`;
    reset.hidden = !form.elements.q.value;
  };
  const restore = () => {
    form.elements.q.value = site.state().q || "";
    filter();
  };
  const change = () => {
    filter();
    site.setState({ q: form.elements.q.value });
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", change);
  reset.addEventListener("click", () => {
    form.elements.q.value = "";
    change();
    form.elements.q.focus();
  });
  addEventListener("hashchange", restore);
  restore();
});
