"use strict";
// The page of the attacks: an attack opens to what it leaves of each row.
document.addEventListener("DOMContentLoaded", () => {
  const data = site.data("data");
  if (!document.getElementById("board")) return;
  const detail = (line) => {
    const rows = data.rows[line.dataset.row].map(([id, label, value, std, seen]) => ({
      cells: [
        site.make("a", { href: `index.html#open=${id}` }, label),
        site.text(value, std) + (seen ? " †" : ""),
      ],
    }));
    const table = site.makeTable("What is left of each row; † the training saw the attack.", ["Row", data.metric], rows);
    return site.make("div", { class: "inside narrow" }, table);
  };
  site.table({ detail });
});
