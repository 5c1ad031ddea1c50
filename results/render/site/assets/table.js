"use strict";
// The table of a page: sorted, filtered, searched and opened, with all of it in the address.

/**
 * Take over the table of the page.
 *
 * @param {(row: HTMLTableRowElement) => Node} detail what a row shows when it is opened
 * @param {(values: Object, rows: HTMLTableRowElement[]) => boolean} prepare told of the filters before rows are
 *   tried; says whether it changed what they show
 * @param {(row: HTMLTableRowElement, values: Object) => boolean} matches a filter beyond those that rows name
 */
site.table = ({ detail, prepare = () => false, matches = () => true }) => {
  const element = document.getElementById("board");
  const form = document.getElementById("filters");
  const counter = document.getElementById("counter");
  const reset = document.getElementById("reset");
  const fields = [...form.elements].filter((one) => one.name);
  const headings = [...element.tHead.rows[0].cells];
  const rows = new Map([...element.tBodies[0].rows].map((row) => [row.dataset.row, row]));
  const opened = new Set();
  let values = {};
  let grid = null;

  const named = (row, key) => JSON.parse(row.dataset[key]);
  const found = (row) => form.elements.q.value.toLowerCase().split(/\s+/).every((word) => row.dataset.words.includes(word));
  const passes = (row) => found(row) && Object.entries(values).every(([key, value]) => {
    if (value === "none") return named(row, key).length === 0;
    return !value.startsWith("is:") || named(row, key).includes(value.slice(3));
  }) && matches(row, values);
  const count = () => {
    const shown = grid.rows({ search: "applied" }).count();
    const hidden = rows.size - shown;
    counter.textContent = hidden ? `${shown} of ${rows.size} rows; filters hide ${hidden}` : `All ${rows.size} rows`;
    reset.hidden = !fields.some((one) => one.value);
  };

  /** Read the filters; return whether what the rows show has changed. */
  const read = () => {
    values = Object.fromEntries(fields.filter((one) => one.name !== "q" && one.value).map((one) => [one.name, one.value]));
    return prepare(values, [...rows.values()]);
  };

  const filter = () => {
    if (read()) {
      grid.rows().invalidate("dom");
      for (const id of opened) grid.row(rows.get(id)).child(detail(rows.get(id)), "detail").show();
    }
    grid.draw();
    count();
  };

  const order = () => {
    const [key, way] = (site.state().sort || "").split(":");
    const place = headings.findIndex((one) => one.dataset.key === key);
    return place >= 0 && ["asc", "desc"].includes(way) ? [[place, way]] : [];
  };

  const fill = () => {
    const state = site.state();
    for (const field of fields) {
      field.value = state[field.name] || "";
      if (field.selectedIndex === -1) field.value = "";
    }
  };

  const toggle = (id, open) => {
    const row = rows.get(id);
    if (open) {
      grid.row(row).child(detail(row), "detail").show();
      opened.add(id);
    } else {
      grid.row(row).child.hide();
      opened.delete(id);
    }
    row.querySelector(".open").setAttribute("aria-expanded", String(open));
  };

  const remember = () => site.setState({
    ...Object.fromEntries(fields.map((one) => [one.name, one.value])),
    open: [...opened].join(","),
  });

  /** Open a row and go there; filters that hide it are taken away. */
  const reveal = (id) => {
    const row = rows.get(id);
    if (!row) return;
    if (!row.isConnected) {
      for (const field of fields) field.value = "";
      filter();
    }
    toggle(id, true);
    remember();
    row.scrollIntoView({ block: "center" });
    row.querySelector(".open").focus({ preventScroll: true });
  };

  const reopen = () => {
    const wanted = (site.state().open || "").split(",").filter((id) => rows.has(id));
    for (const id of opened) if (!wanted.includes(id)) toggle(id, false);
    for (const id of wanted) toggle(id, true);
    if (wanted.length) reveal(wanted.at(-1));
  };

  const restore = () => {
    fill();
    grid.order(order());
    filter();
    reopen();
  };

  fill();
  read();
  grid = new DataTable(element, {
    paging: false,
    order: order(),
    autoWidth: false,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    columnDefs: headings.map((heading, place) => ({
      targets: place,
      orderSequence: heading.dataset.first === "desc" ? ["desc", "asc", ""] : ["asc", "desc", ""],
    })),
    language: { zeroRecords: "No row matches." },
  });
  grid.search.fixed("filters", (text, data, index) => passes(grid.row(index).node()));
  if (fields.some((one) => one.value)) grid.draw();
  count();
  element.classList.add("ready");
  reopen();

  element.addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (!button) return;
    const id = button.closest("tr").dataset.row;
    toggle(id, !opened.has(id));
    remember();
  });
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { filter(); remember(); });
  reset.addEventListener("click", () => {
    for (const field of fields) field.value = "";
    filter();
    remember();
    form.elements.q.focus();
  });
  grid.on("order", () => {
    const [first] = grid.order();
    const [place, way] = first || [];
    site.setState({ sort: way ? `${headings[place].dataset.key}:${way}` : "" });
  });
  addEventListener("hashchange", restore);
  return { reveal };
};
