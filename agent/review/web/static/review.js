// Keys, selection and focus. The server renders everything and stores decisions; htmx swaps the fragments.
"use strict";
(() => {
  const panel = document.getElementById("panel");
  const rows = document.getElementById("rows");
  const status = document.getElementById("message");
  const help = document.getElementById("help");
  const filters = document.getElementById("filters");
  const search = document.getElementById("q");
  const narrow = window.matchMedia("(max-width: 52rem)");
  const ACTS = new Set(["a", "r", "e", "d", "x", "u", "A", "S"]);
  const VISIBLE = 0.9; // the share of an element that must be on the screen; 1 fails by rounding of sizes
  let view = "one";
  let reported = ""; // view token of the last card reported as seen
  let evidenceOpen = false; // whether the evidence is shown, for this pair and the next

  const allRows = () => [...rows.querySelectorAll(".row")];
  const shownIndex = () => panel.querySelector("[data-index]")?.dataset.index;
  const rowOf = (index) => rows.querySelector(`.row[data-index="${CSS.escape(index ?? "")}"]`);
  const busy = () => panel.getAttribute("aria-busy") === "true";
  const editing = () => panel.querySelector(".editor") !== null;
  const unsaved = () => [...panel.querySelectorAll(".editor textarea")].some((e) => e.value !== e.defaultValue);

  function announce(text) {
    status.textContent = text;
  }

  function highlight() {
    const index = shownIndex();
    for (const row of rows.querySelectorAll('[aria-current="true"]')) {
      if (row.dataset.index !== index) row.removeAttribute("aria-current");
    }
    const row = rowOf(index);
    if (row && row.getAttribute("aria-current") !== "true") {
      row.setAttribute("aria-current", "true");
      row.scrollIntoView({ block: "nearest" });
    }
    const details = panel.querySelector("#evidence");
    if (details) details.open = evidenceOpen;
    panel.dataset.view = view;
    for (const button of panel.querySelectorAll("[data-view]")) {
      if (button.dataset.view !== "toggle") button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
  }

  // A pair counts as seen once both sides have been on the screen, from the heading above each text to the verdict
  // below it. What the button bar at the lower edge covers does not count.
  const edges = () => [...panel.querySelectorAll(".texts h3, .texts .brief")];
  let observer;

  function watchEdges() {
    observer?.disconnect();
    const covered = panel.querySelector(".acts")?.offsetHeight ?? 0;
    observer = new IntersectionObserver((found) => {
      for (const { target, intersectionRatio } of found) if (intersectionRatio >= VISIBLE) target.dataset.visible = "";
      reportSeen();
    }, { threshold: VISIBLE, rootMargin: `0px 0px -${covered}px` });
    for (const edge of edges()) observer.observe(edge);
  }

  function reportSeen() {
    const card = panel.querySelector("[data-view-token]");
    const complete = edges().length && edges().every((one) => "visible" in one.dataset);
    if (!complete || document.visibilityState !== "visible" || card.dataset.viewToken === reported) return;
    reported = card.dataset.viewToken;
    const body = new URLSearchParams({ view_token: reported });
    fetch(`pair/${card.dataset.index}/seen`, { method: "POST", body })
      .then((reply) => (reply.ok ? reply.text() : Promise.reject()))
      .then((button) => htmx.swap("#seen", button, { swapStyle: "outerHTML" }))
      .catch(() => { reported = ""; });
  }

  function show(index) {
    htmx.ajax("GET", `pair/${index}`, { target: "#panel", source: "#panel", swap: "innerHTML" });
  }

  // The pair after (step 1) or before (step -1) the shown one; with `pending`, the next that needs a decision.
  function neighbour(step, pending) {
    const all = allRows();
    const at = all.indexOf(rowOf(shownIndex()));
    if (at < 0) return all.find((row) => !pending || "pending" in row.dataset);
    const order = pending ? [...all.slice(at + 1), ...all.slice(0, at)] : [all[at + step]];
    return order.find((row) => row && (!pending || "pending" in row.dataset));
  }

  function move(step) {
    const row = neighbour(step, false);
    if (row) show(row.dataset.index);
    else announce(allRows().length ? "End of the list." : "The list is empty.");
  }

  function press(key) {
    const target = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((e) => !e.closest("dialog"));
    if (!target) return false;
    if (target.disabled) {
      announce(target.title || "Not possible here.");
      return true;
    }
    if (ACTS.has(key) && (busy() || (editing() && key !== "e"))) return true;
    if (target.matches("input")) target.focus();
    else target.click();
    return true;
  }

  // In a field only Esc and Enter are keys of the page: Esc ends a search, Enter keeps its result.
  function handleFieldKey(event) {
    const leavesField = event.key === "Escape" || (event.key === "Enter" && event.target.matches("input") && !editing());
    if (!leavesField) return;
    event.target.blur();
    if (event.target === search && event.key === "Escape") clearSearch();
    event.preventDefault();
  }

  function clearSearch() {
    if (!search.value) return;
    search.value = "";
    htmx.trigger(filters, "change");
  }

  // Save and cancel work in the editor wherever the focus is.
  function handleEditorKey(event) {
    const saves = (event.key === "Enter" || event.key === "s") && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!editing() || (!saves && event.key !== "Escape")) return false;
    press(saves ? "save" : "cancel");
    event.preventDefault();
    return true;
  }

  function skip() {
    const row = neighbour(1, true);
    if (row) show(row.dataset.index);
    else announce("No other listed pair needs a decision.");
  }

  function conflict() {
    const versions = panel.querySelector(".conflict");
    if (!versions) announce("No conflict: the dataset's pair has not changed since the run.");
    else if (versions.contains(document.activeElement)) panel.querySelector(".texts").scrollIntoView();
    else versions.focus();
  }

  function nextState() {
    const states = filters.elements.state;
    states.selectedIndex = (states.selectedIndex + 1) % states.length;
    htmx.trigger(filters, "change");
    announce(`Listed: ${states.selectedOptions[0].text}.`);
  }

  function nextTrait() {
    const all = [...document.querySelectorAll("nav a")];
    const at = all.findIndex((link) => link.getAttribute("aria-current"));
    if (all.length > 1) all[(at + 1) % all.length].click();
    else announce("This experiment has one trait with a proposal.");
  }

  const scroll = (by) => window.scrollBy({ top: by * 0.85 * window.innerHeight });
  const back = () => press("cancel") || clearSearch();
  const KEYS = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), s: skip, c: conflict,
    f: nextState, t: nextTrait, " ": () => scroll(1), b: () => scroll(-1), Enter: () => shownIndex() && show(shownIndex()),
    Escape: back,
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || help.open || handleEditorKey(event)) return;
    if (event.target.matches("input, textarea, select")) return handleFieldKey(event);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.key === "Enter" || event.key === " ") && event.target.closest("button, a, summary")) return;
    if (!Object.hasOwn(KEYS, event.key)) {
      if (event.key.length !== 1 || !press(event.key)) return;
    } else if (editing()) return;
    else KEYS[event.key]();
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, summary");
    if (!target) return;
    if (target.matches(".row")) show(target.dataset.index);
    else if (target.dataset.view) setView(target.dataset.view);
    else if (target.matches('[data-key="?"]')) help.showModal();
    else if ("reset" in target.dataset) reset();
    else if ("back" in target.dataset) show(rows.querySelector(".row")?.dataset.index ?? 0);
    else if (target.dataset.copy) copy(document.getElementById(target.dataset.copy).textContent);
  });

  function setView(wanted) {
    view = wanted === "toggle" ? (view === "one" ? "two" : "one") : wanted;
    highlight();
  }

  function reset() {
    filters.reset();
    for (const field of filters.querySelectorAll("select, input")) field.value = field.name === "state" ? "all" : "";
    htmx.trigger(filters, "change");
  }

  function copy(text) {
    navigator.clipboard.writeText(text).then(() => announce("Copied."), () => announce("Select the line and copy it."));
  }

  panel.addEventListener("toggle", (event) => {
    if (event.target.id === "evidence") evidenceOpen = event.target.open;
  }, true);

  // Only htmx sends forms: Enter in a field does not submit.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("dialog form")) event.preventDefault();
  });

  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });

  document.body.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.path.endsWith("/decide")) {
      event.detail.parameters.next = neighbour(1, true)?.dataset.index ?? "";
    }
  });

  // While the panel loads another pair, no key may act on the one still shown.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    const { target, elt } = event.detail;
    if (target !== panel || elt.matches(".checking")) return;
    const leaving = unsaved() && !elt.closest(".editor");
    if (leaving && !window.confirm("Discard your unsaved texts?")) event.preventDefault();
    else setBusy(event.detail.xhr);
  });

  // The request's own loadend: htmx sends no event if the button was replaced in the meantime.
  function setBusy(request) {
    panel.setAttribute("aria-busy", "true");
    request.addEventListener("loadend", () => panel.setAttribute("aria-busy", "false"));
  }

  document.body.addEventListener("htmx:afterSettle", (event) => {
    highlight();
    if (event.detail.target !== panel) return;
    watchEdges();
    const field = panel.querySelector(".editor textarea");
    (field ?? panel.querySelector("h2"))?.focus({ preventScroll: true });
    if (field) field.setSelectionRange(field.value.length, field.value.length);
    if (wasBulkApproval(event.detail)) window.scrollTo(0, 0); // show progress, undo and the other traits
    else if (narrow.matches || panel.getBoundingClientRect().top < 0) panel.scrollIntoView({ block: "start" });
  });

  const wasBulkApproval = ({ requestConfig, xhr }) =>
    requestConfig?.verb === "post" && ["unflagged", "seen"].includes(requestConfig.path) && xhr.status === 200;

  // A message fades after 7 s, or as soon as the reviewer continues.
  let fading;
  new MutationObserver(() => {
    clearTimeout(fading);
    fading = setTimeout(() => announce(""), 7000);
  }).observe(status, { childList: true });
  for (const kind of ["keydown", "pointerdown"]) {
    document.addEventListener(kind, (event) => event.ctrlKey || status.contains(event.target) || announce(""), true);
  }

  document.body.addEventListener("htmx:sendError", () => {
    announce("The review server has stopped. Your decisions are saved; start it again to continue.");
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    announce(`The request failed (${event.detail.xhr.status}). Your decisions are saved; reload the page.`);
  });

  document.addEventListener("visibilitychange", reportSeen);
  window.addEventListener("resize", watchEdges);

  panel.setAttribute("aria-busy", "false");
  highlight();
  watchEdges();
})();
