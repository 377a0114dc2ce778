// Keys, selection and focus. What is shown and what is stored comes from the server; htmx puts it in place.
"use strict";
(() => {
  const panel = document.getElementById("panel");
  const rows = document.getElementById("rows");
  const said = document.getElementById("said");
  const help = document.getElementById("help");
  const filters = document.getElementById("filters");
  const narrow = window.matchMedia("(max-width: 52rem)");
  const ACTS = new Set(["a", "r", "e", "d", "c", "u"]);
  let view = "one";
  let open = false; // whether the evidence of the pairs to come is shown

  const lines = () => [...rows.querySelectorAll(".row")];
  const shown = () => panel.querySelector("[data-place]")?.dataset.place;
  const line = (place) => rows.querySelector(`.row[data-place="${CSS.escape(place ?? "")}"]`);
  const busy = () => panel.getAttribute("aria-busy") === "true";
  const editing = () => panel.querySelector(".editor") !== null;
  const unsaved = () => [...panel.querySelectorAll(".editor textarea")].some((e) => e.value !== e.defaultValue);

  function tell(text) {
    said.textContent = text;
  }

  function mark() {
    const place = shown();
    for (const row of rows.querySelectorAll('[aria-current="true"]')) {
      if (row.dataset.place !== place) row.removeAttribute("aria-current");
    }
    const row = line(place);
    if (row && row.getAttribute("aria-current") !== "true") {
      row.setAttribute("aria-current", "true");
      row.scrollIntoView({ block: "nearest" });
    }
    const details = panel.querySelector("#evidence");
    if (details) details.open = open;
    panel.dataset.view = view;
    for (const button of panel.querySelectorAll("[data-view]")) {
      if (button.dataset.view !== "toggle") button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
  }

  function go(place) {
    htmx.ajax("GET", `pair/${place}`, { target: "#panel", source: "#panel", swap: "innerHTML" });
  }

  // The pair after (1) or before (-1) the one that is shown; of those that still wait, where only they count.
  function neighbour(step, waiting) {
    const all = lines();
    const at = all.indexOf(line(shown()));
    if (at < 0) return all.find((row) => !waiting || "waits" in row.dataset);
    const order = waiting ? [...all.slice(at + 1), ...all.slice(0, at)] : [all[at + step]];
    return order.find((row) => row && (!waiting || "waits" in row.dataset));
  }

  function move(step) {
    const row = neighbour(step, false);
    if (row) go(row.dataset.place);
    else tell(lines().length ? "This is the end of the list." : "The list is empty.");
  }

  function press(key) {
    const target = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((e) => !e.closest("dialog"));
    if (!target) return false;
    if (target.disabled) {
      tell(target.title || "That cannot be done here.");
      return true;
    }
    if (ACTS.has(key) && (busy() || (editing() && key !== "e"))) return true;
    if (target.matches("input")) target.focus();
    else target.click();
    return true;
  }

  // Keys in a field are its text, but for those that leave it.
  function typed(event) {
    const leaves = event.key === "Escape" || (event.key === "Enter" && event.target.matches("input") && !editing());
    if (!leaves) return;
    event.target.blur();
    event.preventDefault();
  }

  // While texts are edited, wherever the focus is.
  function ends(event) {
    const saves = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (!editing() || (!saves && event.key !== "Escape")) return false;
    press(saves ? "save" : "cancel");
    event.preventDefault();
    return true;
  }

  const MOVES = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || help.open || ends(event)) return;
    if (event.target.matches("input, textarea, select")) return typed(event);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in MOVES) move(MOVES[event.key]);
    else if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
    else if (event.key === "Enter") press("o");
    else if (event.key === "Escape") press("cancel");
    else if (event.key.length !== 1 || !press(event.key)) return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, summary");
    if (!target) return;
    if (target.matches(".row")) go(target.dataset.place);
    else if (target.dataset.view) look(target.dataset.view);
    else if (target.matches('[data-key="?"]')) help.showModal();
    else if ("reset" in target.dataset) reset();
    else if ("back" in target.dataset) go(rows.querySelector(".row")?.dataset.place ?? 0);
    else if (target.dataset.copy) copy(document.getElementById(target.dataset.copy).textContent);
  });

  function look(wanted) {
    view = wanted === "toggle" ? (view === "one" ? "two" : "one") : wanted;
    mark();
  }

  function reset() {
    filters.reset();
    for (const field of filters.querySelectorAll("select, input")) field.value = field.name === "state" ? "all" : "";
    htmx.trigger(filters, "change");
  }

  function copy(text) {
    navigator.clipboard.writeText(text).then(() => tell("Copied."), () => tell("Select the line and copy it."));
  }

  panel.addEventListener("toggle", (event) => {
    if (event.target.id === "evidence") open = event.target.open;
  }, true);

  // Nothing is sent but by htmx: a line feed in a field ends the typing there.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("dialog form")) event.preventDefault();
  });

  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });

  document.body.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.path.endsWith("/decide")) {
      event.detail.parameters.next = neighbour(1, true)?.dataset.place ?? "";
    }
  });

  // While the panel is on its way to another pair, no key may act on the one that is still to be seen.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    const { target, elt } = event.detail;
    if (target !== panel || elt.matches(".checking")) return;
    const leaving = unsaved() && !elt.closest(".editor");
    if (leaving && !window.confirm("Leave the texts that you have not saved?")) event.preventDefault();
    else panel.setAttribute("aria-busy", "true");
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.target === panel) panel.setAttribute("aria-busy", "false");
  });

  document.body.addEventListener("htmx:afterSettle", (event) => {
    mark();
    if (event.detail.target !== panel) return;
    const field = panel.querySelector(".editor textarea");
    (field ?? panel.querySelector("h2"))?.focus({ preventScroll: true });
    if (field) field.setSelectionRange(field.value.length, field.value.length);
    if (narrow.matches || panel.getBoundingClientRect().top < 0) panel.scrollIntoView({ block: "start" });
  });

  // What is said stays long enough to be read, then makes room.
  let fading;
  new MutationObserver(() => {
    clearTimeout(fading);
    fading = setTimeout(() => tell(""), 7000);
  }).observe(said, { childList: true });

  document.body.addEventListener("htmx:sendError", () => {
    tell("The review has ended in the terminal. What you decided is stored; start it again to go on.");
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    tell(`That did not work (${event.detail.xhr.status}). What was decided is stored; reload the page.`);
  });

  panel.setAttribute("aria-busy", "false");
  mark();
})();
