"use strict";
// The page of a board: the strongest attack of each row among those chosen, and what a row opens to.
document.addEventListener("DOMContentLoaded", () => {
  const data = site.data("data");
  const { make, text } = site;
  let attack = "";

  /** Return whether an attack is among the chosen ones: all, of a kind of knowledge, or of a name. */
  const isChosen = (one) => !attack || (attack.startsWith("attack:") ? one.name === attack.slice(7) : one.knowledge === attack);

  /** Return the outcomes of a row under the chosen attacks. */
  const outcomes = (id) => data.rows[id]
    .map(([place, value, std, rank1, share, seen = 0, flags = []]) => ({ attack: data.attacks[place], value, std, rank1, share, seen, flags }))
    .filter((one) => isChosen(one.attack));

  /** Return the strongest of some outcomes: among those that the worst case covers, where one is. */
  const strongest = (found) => {
    const counted = found.filter((one) => one.attack.counted);
    const among = counted.length ? counted : found.filter((one) => one.attack.knowledge !== "none");
    const sign = data.strongest === "lowest" ? 1 : -1;
    return among.reduce((best, one) => (best && sign * best.value <= sign * one.value ? best : one), null);
  };

  const shownValue = (one) => text(one.value, one.std) + (one.seen ? " †" : "");

  const bar = (value) => make("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    make("rect", { class: "track", width: 100, height: 10 }), make("rect", { class: "under", width: value, height: 10 }));

  const attackTable = (id) => {
    const found = outcomes(id);
    const best = strongest(found);
    const shared = found.some((one) => one.share !== null);
    const rows = found.map((one) => ({
      name: one === best ? "this" : "",
      cells: [
        one === best ? `${one.attack.label} (strongest)` : one.attack.label,
        shownValue(one),
        bar(one.value),
        text(one.rank1),
        ...(shared ? [text(one.share)] : []),
        data.knowledge[one.attack.knowledge],
        one.attack.eps === null ? "–" : `${one.attack.eps}/255`,
        one.flags.join(", ") || "none",
      ],
    }));
    const headings = ["Attack", data.metric, "0 to 100", data.first, ...(shared ? ["share of worst"] : []), "knows", "ε", "flags"];
    return site.makeTable("Every attack on this row; † the training saw it.", headings, rows);
  };

  const sparkline = (curve) => {
    const [wide, high] = [120, 34];
    const far = curve.x.at(-1);
    const top = Math.max(...curve.y, 1);
    const points = curve.x.map((x, n) => [2 + (x / far) * (wide - 4), high - 2 - (curve.y[n] / top) * (high - 4)]);
    const said = curve.x.map((x, n) => `${x}: ${text(curve.y[n])}`).join(", ");
    const over = curve.axis === "eps" ? "ε in 1/255" : "answers for each image";
    return make("figure", { class: "spark" },
      make("svg", { viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true" },
        make("polyline", { points: points.map((one) => one.map((n) => n.toFixed(1)).join(",")).join(" ") })),
      make("figcaption", {}, make("b", {}, curve.title), ` ${data.metric} by ${over}: ${said}`));
  };

  const flagNotes = (row) => JSON.parse(row.dataset.flag).map((id) => {
    const [means, todo] = data.flags[id] || ["", ""];
    return make("div", { class: "flag" }, make("h3", {}, id), make("p", {}, means), make("p", {}, todo));
  });

  const detail = (row) => {
    const curves = (data.curves[row.dataset.row] || []).map(sparkline);
    return make("div", { class: "inside" },
      make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Attacks on this row" }, attackTable(row.dataset.row)),
      ...(curves.length ? [make("div", { class: "sparks" }, ...curves)] : []),
      ...flagNotes(row));
  };

  let told = null;
  const prepare = (values, rows) => {
    attack = values.attack || "";
    if (attack === told) return false;
    told = attack;
    for (const row of rows) {
      const best = strongest(outcomes(row.dataset.row));
      const cell = row.querySelector(".strongest");
      cell.textContent = best ? `${best.attack.label} ${text(best.value)}` : "–";
      cell.dataset.order = best ? best.value : -1;
    }
    return true;
  };

  const matches = (row) => !attack || outcomes(row.dataset.row).length > 0;
  const grid = site.table({ detail, prepare, matches });
  for (const mark of document.querySelectorAll(".mark")) {
    mark.addEventListener("click", (event) => {
      event.preventDefault();
      grid.reveal(mark.dataset.row);
    });
  }
});
