// Keys, selection and focus. What is shown and what is stored comes from the server; htmx puts it in place.
"use strict";
(() => {
  const panel = document.getElementById("panel");
  const rows = document.getElementById("rows");
  const said = document.getElementById("said");
  const help = document.getElementById("help");
  const filters = document.getElementById("filters");
  const search = document.getElementById("q");
  const narrow = window.matchMedia("(max-width: 52rem)");
  const ACTS = new Set(["a", "r", "e", "d", "x", "u", "A", "S"]);
  const WHOLE = 0.9; // the share of a line on the screen that makes it seen; sizes are fractions of a pixel off
  let view = "one";
  let reported = ""; // the last pair and evidence that the reviewer is known to have had on the screen
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

  // Who may approve all that was seen has seen it: a pair counts once both its sides, from the headings above the texts
  // to the verdicts below them, have been on the screen. That it was sent here is not enough, nor what the bar of
  // buttons at the lower edge covers.
  const edges = () => [...panel.querySelectorAll(".texts h3, .texts .brief")];
  let eye;

  function watch() {
    eye?.disconnect();
    const covered = panel.querySelector(".acts")?.offsetHeight ?? 0;
    eye = new IntersectionObserver((found) => {
      for (const { target, intersectionRatio } of found) if (intersectionRatio >= WHOLE) target.dataset.met = "";
      see();
    }, { threshold: WHOLE, rootMargin: `0px 0px -${covered}px` });
    for (const edge of edges()) eye.observe(edge);
  }

  function see() {
    const card = panel.querySelector("[data-view-token]");
    const whole = edges().length && edges().every((one) => "met" in one.dataset);
    if (!whole || document.visibilityState !== "visible" || card.dataset.viewToken === reported) return;
    reported = card.dataset.viewToken;
    const told = new URLSearchParams({ view_token: reported });
    fetch(`pair/${card.dataset.place}/seen`, { method: "POST", body: told })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject()))
      .then((button) => htmx.swap("#seen", button, { swapStyle: "outerHTML" }))
      .catch(() => { reported = ""; });
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

  // Keys in a field are its text, but for those that leave it. Esc ends a search, Enter keeps what it found.
  function typed(event) {
    const leaves = event.key === "Escape" || (event.key === "Enter" && event.target.matches("input") && !editing());
    if (!leaves) return;
    event.target.blur();
    if (event.target === search && event.key === "Escape") unfind();
    event.preventDefault();
  }

  function unfind() {
    if (!search.value) return;
    search.value = "";
    htmx.trigger(filters, "change");
  }

  // While texts are edited, wherever the focus is.
  function ends(event) {
    const saves = (event.key === "Enter" || event.key === "s") && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!editing() || (!saves && event.key !== "Escape")) return false;
    press(saves ? "save" : "cancel");
    event.preventDefault();
    return true;
  }

  function skip() {
    const row = neighbour(1, true);
    if (row) go(row.dataset.place);
    else tell("No other listed pair needs a decision.");
  }

  function conflict() {
    const three = panel.querySelector(".conflict");
    if (!three) tell("No conflict here: the dataset's pair is still the one that the run saw.");
    else if (three.contains(document.activeElement)) panel.querySelector(".texts").scrollIntoView();
    else three.focus();
  }

  function nextKind() {
    const states = filters.elements.state;
    states.selectedIndex = (states.selectedIndex + 1) % states.length;
    htmx.trigger(filters, "change");
    tell(`Listed: ${states.selectedOptions[0].text}.`);
  }

  function nextTrait() {
    const all = [...document.querySelectorAll("nav a")];
    const at = all.findIndex((link) => link.getAttribute("aria-current"));
    if (all.length > 1) all[(at + 1) % all.length].click();
    else tell("This experiment has one trait with a proposal.");
  }

  const scroll = (by) => window.scrollBy({ top: by * 0.85 * window.innerHeight });
  const back = () => press("cancel") || unfind();
  const KEYS = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), s: skip, c: conflict,
    f: nextKind, t: nextTrait, " ": () => scroll(1), b: () => scroll(-1), Enter: () => shown() && go(shown()),
    Escape: back,
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || help.open || ends(event)) return;
    if (event.target.matches("input, textarea, select")) return typed(event);
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
    if (leaving && !window.confirm("Leave the texts that you have not stored?")) event.preventDefault();
    else wait(event.detail.xhr);
  });

  // Until the request has ended, which htmx does not tell where its button has been replaced meanwhile.
  function wait(request) {
    panel.setAttribute("aria-busy", "true");
    request.addEventListener("loadend", () => panel.setAttribute("aria-busy", "false"));
  }

  document.body.addEventListener("htmx:afterSettle", (event) => {
    mark();
    if (event.detail.target !== panel) return;
    watch();
    const field = panel.querySelector(".editor textarea");
    (field ?? panel.querySelector("h2"))?.focus({ preventScroll: true });
    if (field) field.setSelectionRange(field.value.length, field.value.length);
    if (approvedMany(event.detail)) window.scrollTo(0, 0); // to the progress, the undo and the other traits
    else if (narrow.matches || panel.getBoundingClientRect().top < 0) panel.scrollIntoView({ block: "start" });
  });

  const approvedMany = ({ requestConfig, xhr }) =>
    requestConfig?.verb === "post" && ["unflagged", "seen"].includes(requestConfig.path) && xhr.status === 200;

  // What is said stays long enough to be read, then makes room; at once where the reader goes on.
  let fading;
  new MutationObserver(() => {
    clearTimeout(fading);
    fading = setTimeout(() => tell(""), 7000);
  }).observe(said, { childList: true });
  for (const kind of ["keydown", "pointerdown"]) {
    document.addEventListener(kind, (event) => event.ctrlKey || said.contains(event.target) || tell(""), true);
  }

  document.body.addEventListener("htmx:sendError", () => {
    tell("The review has ended in the terminal. What you decided is stored; start it again to go on.");
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    tell(`That did not work (${event.detail.xhr.status}). What was decided is stored; reload the page.`);
  });

  document.addEventListener("visibilitychange", see);
  window.addEventListener("resize", watch);

  panel.setAttribute("aria-busy", "false");
  mark();
  watch();
})();
