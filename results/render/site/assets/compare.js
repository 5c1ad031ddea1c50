"use strict";
// The comparison of two rows of a board, computed here from the outcomes of their queries.
(() => {
  const received = new Map();
  const element = (id) => document.getElementById(id);
  const signed = (value, decimals = 2) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(decimals);
  const range = (bounds) => (bounds ? `${signed(bounds[0])} to ${signed(bounds[1])}` : "n/a");
  const chance = (p) => (p < 0.0001 ? "below 0.0001" : p.toFixed(4));

  // Called by the files of outcomes.
  window.receiveOutcomes = (id, trainings) => {
    const unpacked = trainings.map((one) => [one.seed, one.under.map(PairedTests.unpacked)]);
    received.set(id, new Map(unpacked));
  };

  // A script, as pages of a folder may not fetch.
  function load(id) {
    if (received.has(id)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `outcomes/${id}.js`;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`n/a: the file outcomes/${id}.js beside this page is missing.`));
      document.head.append(script);
    });
  }

  function cells(name, texts) {
    const line = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    line.append(head, ...texts.map((text) => {
      const cell = document.createElement("td");
      cell.className = "n";
      cell.textContent = text;
      return cell;
    }));
    return line;
  }

  function texts(one) {
    if (!one) return new Array(9).fill("n/a");
    return [
      one.ours.toFixed(2), one.theirs.toFixed(2), signed(one.ours - one.theirs), range(one.given), range(one.crossed),
      chance(one.p), one.effect === null ? "n/a" : signed(one.effect), one.flips[0].toFixed(1), one.flips[1].toFixed(1),
    ];
  }

  // A bar for each identity, sorted by what A has more: above the line it is better under A.
  function draw(differences) {
    const [width, height, margin] = [640, 220, 34];
    const sorted = [...differences].sort((one, other) => other - one);
    const most = Math.max(1, ...sorted.map(Math.abs));
    const middle = height / 2, step = (width - margin) / sorted.length;
    const make = (name, attributes, text = "") => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      made.textContent = text;
      return made;
    };
    const bars = sorted.map((value, place) => {
      const size = (Math.abs(value) / most) * (middle - 14);
      const y = value > 0 ? middle - size : middle;
      const at = { x: margin + place * step, y, width: Math.max(step - 0.5, 0.5), height: size };
      return make("rect", { ...at, class: value > 0 ? "clean" : "under" });
    });
    element("differences").replaceChildren(
      ...bars,
      make("line", { class: "axis", x1: margin, x2: width, y1: middle, y2: middle }),
      make("text", { x: margin - 4, y: 14, "text-anchor": "end" }, signed(most, 0)),
      make("text", { x: margin - 4, y: middle + 4, "text-anchor": "end" }, "0"),
      make("text", { x: margin - 4, y: height - 4, "text-anchor": "end" }, signed(-most, 0)),
    );
    const better = sorted.filter((one) => one > 0).length, worse = sorted.filter((one) => one < 0).length;
    element("differences-text").textContent =
      `Of ${sorted.length} identities, ${better} fare better with A, ${worse} with B, and ` +
      `${sorted.length - better - worse} the same.`;
  }

  function sentences(one, seeds, a, b) {
    const difference = one.ours - one.theirs;
    const better = difference >= 0 ? "more" : "less";
    const verdict = one.p < 0.05
      ? "At the level of 5 % they differ, given these trainings."
      : "At the level of 5 % no difference is shown, given these trainings.";
    const group = a.group && a.group === b.group ? ` Both are in tie group ${a.group} of the board.` : "";
    return [
      `In the worst case A has ${Math.abs(difference).toFixed(2)} points of mAP ${better} than B ` +
        `(95 % interval ${range(one.given)}; p ${chance(one.p)}). ${verdict}${group}`,
      `At rank 1, ${one.flips[0].toFixed(1)} queries come out right only with A and ${one.flips[1].toFixed(1)} only with B.`,
      `Averaged over the trainings that both have: seed ${seeds.join(", ")}.`,
    ];
  }

  const pause = () => new Promise((resolve) => setTimeout(resolve));
  const isChosen = (a, b) => element("a").value === a.id && element("b").value === b.id;

  // The worst case first, then the rest, line by line: the page answers meanwhile.
  async function show(a, b) {
    const { identities, contrasts } = site.data("comparison");
    const [ours, theirs] = [received.get(a.id), received.get(b.id)];
    const seeds = [...ours.keys()].filter((seed) => theirs.has(seed)).sort((one, other) => one - other);
    if (!seeds.length) return refuse("n/a: the two rows have no training seed in common.");
    element("contrasts").replaceChildren();
    for (const [place, name] of contrasts.entries()) {
      const both = seeds.map((seed) => [ours.get(seed)[place], theirs.get(seed)[place]]);
      const found = both.some((pair) => pair.includes(null))
        ? null
        : PairedTests.contrast(both.map(([one]) => one), both.map(([, one]) => one), identities);
      if (!isChosen(a, b)) return;
      if (place === 0) lead(found, seeds, a, b);
      element("contrasts").append(cells(name, texts(found)));
      await pause();
    }
    element("verdict").dataset.state = "done";
  }

  function lead(worst, seeds, a, b) {
    const lines = worst
      ? sentences(worst, seeds, a, b)
      : ["n/a: a row has no worst case, as it met no attack that counts."];
    element("verdict").replaceChildren(...lines.map(paragraph));
    element("sorted").hidden = !worst;
    if (worst) draw(worst.byIdentity);
    element("numbers").hidden = false;
  }

  function paragraph(text) {
    const line = document.createElement("p");
    line.textContent = text;
    return line;
  }

  function refuse(text) {
    element("verdict").replaceChildren(paragraph(text));
    element("numbers").hidden = element("sorted").hidden = true;
    element("verdict").dataset.state = "refused";
  }

  async function update() {
    const { rows, missing } = site.data("comparison");
    const [a, b] = ["a", "b"].map((name) => rows.find((row) => row.id === element(name).value));
    site.setState({ a: a.id, b: b.id });
    element("verdict").dataset.state = "busy";
    for (const [name, row] of [["a", a], ["b", b]]) {
      element(`label-${name}`).textContent = row.label;
      element(`label-${name}`).href = `../../entries/${row.id}.html`;
    }
    if (missing) return refuse(missing);
    const lacking = [a, b].find((row) => row.missing);
    if (lacking) return refuse(`${lacking.label}: ${lacking.missing}`);
    if (a === b) return refuse("Choose two different rows.");
    try {
      await Promise.all([load(a.id), load(b.id)]);
    } catch (error) {
      return refuse(error.message);
    }
    if (isChosen(a, b)) show(a, b);
  }

  // What the address asks for; without it, the two rows that lead the board.
  function choose() {
    const { rows } = site.data("comparison"), state = site.state();
    const known = (id, otherwise) => (rows.some((row) => row.id === id) ? id : otherwise.id);
    element("a").value = known(state.a, rows[0]);
    element("b").value = known(state.b, rows.find((row) => row.id !== element("a").value) || rows[0]);
    update();
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const name of ["a", "b"]) element(name).addEventListener("change", update);
    element("swap").addEventListener("click", () => {
      [element("a").value, element("b").value] = [element("b").value, element("a").value];
      update();
    });
    window.addEventListener("hashchange", choose);
    choose();
  });
})();
