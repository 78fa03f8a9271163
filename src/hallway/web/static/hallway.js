// The page's script: live updates, filters, forms and keyboard shortcuts. All content comes from the server.
"use strict";

(() => {
  const live = document.getElementById("live");
  const stream = document.getElementById("stream");
  const linkState = document.getElementById("link-state");
  const banner = document.getElementById("banner");
  const watches = live.dataset.watches.split(" ");
  const LEAST_GAP_MS = 100; // shortest time between two updates; longer if an update takes longer
  let aheadMs = 0; // how far the hub's clock is ahead of the browser's
  let updatedAt = Date.now();

  // -- staying up to date ---------------------------------------------------------------------------------------------

  let timer = 0, running = false, again = false, readyAt = 0;

  function changed() {
    if (document.hidden) return; // a hidden page updates when it becomes visible
    if (running) { again = true; return; }
    if (timer) return;
    timer = setTimeout(update, Math.max(0, readyAt - performance.now()));
  }

  setInterval(changed, 30000); // time axes move without events, and some content changes without an event

  async function update() {
    timer = 0; running = true; again = false;
    const began = performance.now(), asked = location.href;
    try {
      const answer = await fetch(asked, { headers: { "HX-Request": "true" }, cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (answer.status === 401) { location.reload(); return; } // the login has ended: the hub redirects to its login page
      if (answer.status >= 500) throw new Error(`the hub answers ${answer.status}`);
      const text = await answer.text();
      updatedAt = Date.now();
      banner.hidden = true;
      if (asked === location.href) await show(text);
    } catch (error) {
      lost();
      again = true;
    }
    const took = performance.now() - began;
    readyAt = performance.now() + Math.max(LEAST_GAP_MS, 2 * took, banner.hidden ? 0 : 2000);
    running = false;
    if (again) changed();
  }

  async function show(text) {
    const anchor = anchorOf(), top = anchor?.getBoundingClientRect().top;
    await htmx.swap({ text: inHeldOrder(text), target: live, sourceElement: live, swap: "innerMorph" });
    if (anchor) keepAt(anchor.id, top);
    settle();
  }

  // What an update must not move: what is under the pointer, else what has the focus, else what is read.
  function anchorOf() {
    const read = scrollY > 0 && document.elementFromPoint(innerWidth / 2, innerHeight / 3);
    for (const element of [pointer && document.elementFromPoint(pointer.x, pointer.y), document.activeElement, read]) {
      const anchor = element && live.contains(element) && element.closest("[id]");
      if (anchor && anchor !== live) return anchor;
    }
    return null;
  }

  // Scrolls by as much as the update has moved an element; where the page has no room for that, it gets room for a while.
  function keepAt(id, top) {
    const element = document.getElementById(id);
    const by = element ? Math.round(element.getBoundingClientRect().top - top) : 0;
    if (!by) return;
    const page = document.scrollingElement, below = page.scrollHeight - innerHeight - scrollY;
    if (scrollY + by < 0) addRoom("paddingTop", -(scrollY + by));
    if (by > below) addRoom("paddingBottom", by - below);
    scrollTo(0, Math.max(scrollY + by, 0));
  }

  function addRoom(side, pixels) {
    live.style[side] = `${parseFloat(getComputedStyle(live)[side]) + pixels}px`;
  }

  function settle() {
    const now = live.querySelector("[data-now]");
    if (now) aheadMs = Number(now.dataset.now) * 1000 - Date.now();
    tick();
    live.dispatchEvent(new CustomEvent("hallway:shown"));
  }

  // While the pointer, the focus or a half-written text is in a list, its rows keep their order: new rows are added at the
  // end, rows that went elsewhere stay with what they say now, and rows that are gone stay as they were, crossed out.
  function inHeldOrder(text) {
    const held = [...live.querySelectorAll("[data-calm]")].filter(isBusy);
    if (!held.length) return text;
    const next = new DOMParser().parseFromString(`<body>${text}</body>`, "text/html");
    for (const list of held) {
      const following = next.getElementById(list.id);
      following?.prepend(...[...list.children].map((row) => row.id && (next.getElementById(row.id) ?? gone(row, list))).filter(Boolean));
      following?.closest("[hidden]")?.removeAttribute("hidden");
    }
    return (next.head.querySelector("title")?.outerHTML ?? "") + next.body.innerHTML;
  }

  function gone(row, list) {
    const isUsed = row.contains(document.activeElement) || isWritten(row);
    if (!isUsed && list !== pointed) return null;
    const last = row.cloneNode(true);
    last.classList.add("is-gone");
    last.inert = !isUsed;
    return last;
  }

  // The list where the pointer last moved. `:hover` would not do: an update that adds content above a list moves the list
  // away from a resting pointer, and the next update would sort its rows.
  let pointed = null, pointer = null;

  const isWritten = (part) => [...part.querySelectorAll("details[open] :is(textarea, input:not([type=hidden]))")].some((field) => field.value !== field.defaultValue);
  const isFocused = (list) => list.contains(document.activeElement) && (isByKey || document.activeElement.matches("textarea, input, select"));
  const isBusy = (list) => list === pointed || isFocused(list) || isWritten(list);

  function pointAt(list) {
    if (list === pointed) return;
    const left = pointed;
    pointed = list;
    live.style.paddingTop = live.style.paddingBottom = "";
    if (left) changed();
  }

  for (const kind of ["mousemove", "drop"]) {
    document.addEventListener(kind, (event) => {
      pointer = { x: event.clientX, y: event.clientY };
      pointAt(event.target.closest?.("[data-calm]") ?? null);
    });
  }
  document.documentElement.addEventListener("mouseleave", () => { pointer = null; pointAt(null); });

  // -- the one event stream -------------------------------------------------------------------------------------------

  function say(state, text) {
    linkState.dataset.state = state;
    linkState.textContent = text;
  }

  function lost() {
    say("off", "reconnecting");
    banner.hidden = false;
    const at = new Date(updatedAt).toLocaleTimeString([], { hour12: false, hour: "2-digit", minute: "2-digit" });
    banner.textContent = `The hub does not answer: data from ${at}. Trying again; if the hub has ended: hallway serve`;
  }

  function connect() {
    if (!document.hidden && linkState.dataset.state !== "live") htmx.trigger(stream, "hallway:connect");
  }

  stream.addEventListener("htmx:sse:after:connection", () => { say("live", "live"); changed(); });
  stream.addEventListener("htmx:sse:before:message", (event) => {
    const kind = event.detail.message.event;
    if (watches[0] === "*" || watches.some((noun) => kind.startsWith(`${noun}.`))) changed();
  });
  function broken() {
    say("off", "reconnecting");
    readyAt = 0;
    changed(); // which finds out at once whether the hub is gone
  }

  stream.addEventListener("htmx:sse:before:connection", () => { if (linkState.dataset.state === "live") broken(); });
  stream.addEventListener("htmx:sse:error", broken);
  stream.addEventListener("htmx:sse:close", broken);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { say("paused", "paused"); looked(); }
    else { connect(); changed(); }
  });
  addEventListener("pagehide", looked);

  // What the person saw last of what needs attention: the home page says what has changed since.
  function looked() {
    const seen = document.getElementById("needs")?.closest("[data-seq]");
    if (!seen || location.pathname !== "/") return;
    const at = Math.trunc((Date.now() + aheadMs) / 1000);
    document.cookie = `hallway_looked=${seen.dataset.seq}.${at}; path=/; max-age=2592000; SameSite=Strict`;
  }

  setInterval(connect, 2000); // retries a failed first connection; does nothing while a connection is open

  // -- ages that tick -------------------------------------------------------------------------------------------------

  const UNITS = [[86400, "d"], [3600, "h"], [60, "m"]];

  function duration(seconds) { // the same format as text/style.py's duration
    const whole = Math.max(Math.trunc(seconds), 0);
    for (const [size, unit] of UNITS) if (whole >= size) return `${Math.trunc(whole / size)}${unit}`;
    return `${whole}s`;
  }

  function tick() {
    if (!banner.hidden) return; // the data is as old as the banner says
    const now = (Date.now() + aheadMs) / 1000;
    for (const time of document.querySelectorAll("time[data-at]")) {
      const text = duration(now - Number(time.dataset.at));
      if (time.textContent !== text) time.textContent = text;
    }
    for (const time of document.querySelectorAll("time[data-clock]")) {
      const parts = "minutes" in time.dataset ? { hour: "2-digit", minute: "2-digit" } : {};
      const text = new Date(Number(time.dataset.clock) * 1000).toLocaleTimeString([], { hour12: false, ...parts });
      if (time.textContent !== text) time.textContent = text;
    }
  }

  setInterval(tick, 1000);
  document.addEventListener("mouseover", (event) => {
    const time = event.target.closest?.("time[datetime]");
    if (time && !time.title) time.title = new Date(time.dateTime).toLocaleString();
  });

  // -- filters, kept in the address -----------------------------------------------------------------------------------

  let typing = 0;

  function applyFilter() {
    const filter = document.querySelector("[data-filter]");
    const said = [...new FormData(filter)].filter(([, value]) => value.trim());
    const query = new URLSearchParams(said).toString();
    const address = filter.getAttribute("action") + (query ? `?${query}` : "");
    if (address !== location.pathname + location.search) {
      history.replaceState(null, "", address);
      const clear = filter.querySelector("[data-clear]");
      if (clear) clear.hidden = !query;
      const twin = document.querySelector("[data-twin]");
      if (twin) twin.href = twin.getAttribute("href").split("?")[0] + (query ? `?${query}` : "");
      readyAt = 0;
      changed();
    }
  }

  document.addEventListener("input", (event) => {
    if (!event.target.closest("[data-filter]")) return;
    clearTimeout(typing);
    typing = setTimeout(applyFilter, event.target.matches("[data-search]") ? 150 : 0);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-filter]")) return;
    event.preventDefault();
    clearTimeout(typing);
    applyFilter();
  });

  // -- writing --------------------------------------------------------------------------------------------------------

  const SAID_FOR_MS = 15000; // how long a success is shown; an error stays
  const said = document.getElementById("said");
  let saying = 0;

  const token = () => document.cookie.match(/(?:^|; )hallway_page=([^;]+)/)?.[1] ?? "";

  document.addEventListener("htmx:config:request", (event) => {
    const request = event.detail.ctx.request;
    if (request.method !== "GET") request.headers["X-Hallway-Token"] = token();
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (!response || !sourceElement?.matches?.("form")) return;
    clearTimeout(saying);
    if (response.status >= 400) return;
    const act = sourceElement.closest("details.act");
    if (act && !act.querySelector("[role=status]")) { sourceElement.reset(); closeAct(act); }
    if (sourceElement.matches("[data-compose], .page-form form")) sourceElement.reset();
    saying = setTimeout(silence, SAID_FOR_MS);
    changed();
  });
  function silence() { // what is under the pointer or has the focus stays
    if (said.matches(":hover, :focus-within")) saying = setTimeout(silence, 1000);
    else said.replaceChildren();
  }

  let isByKey = false; // whether the keyboard was used last: then the focus goes back to where the form was opened
  for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, () => { isByKey = kind === "keydown"; }, true);

  function closeAct(act) {
    const hadFocus = act.contains(document.activeElement);
    act.open = false;
    if (hadFocus && isByKey) act.querySelector("summary").focus();
  }

  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx?.sourceElement?.matches?.("form")) said.textContent = "It was not sent: the hub does not answer. Your text is still here.";
  });

  // -- the board ------------------------------------------------------------------------------------------------------

  // A card that is dropped on a column does what the card's own act for that column does: at once, or its form opens.
  let dragged = null;

  const columnAt = (event) => event.target.closest?.("[data-column]");
  const actFor = (column) => column && dragged?.querySelector(`[data-drop="${column.dataset.column}"]`);

  function showTargets(over) {
    for (const column of live.querySelectorAll("[data-column]")) {
      if (actFor(column)) column.dataset.target = column === over ? "over" : "possible";
      else delete column.dataset.target;
    }
  }

  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[draggable=true]");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.querySelector("[data-row]").href);
    setTimeout(showTargets); // a change of the page at once would end the drag
  });
  document.addEventListener("dragover", (event) => {
    const column = columnAt(event);
    if (actFor(column)) event.preventDefault(); // it may be dropped here
    if (dragged) showTargets(column);
  });
  document.addEventListener("drop", (event) => {
    const act = actFor(columnAt(event));
    if (!act) return;
    event.preventDefault();
    if (!act.closest("details[open]")) act.click();
  });
  document.addEventListener("dragend", () => {
    dragged = null;
    showTargets(null);
  });

  // -- the keyboard ---------------------------------------------------------------------------------------------------

  const help = document.getElementById("help");
  document.querySelector("[data-help]").addEventListener("click", () => help.showModal());

  function step(by) {
    const rows = [...live.querySelectorAll("[data-row]")].filter((row) => row.checkVisibility());
    const at = rows.indexOf(document.activeElement);
    const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
    row?.focus();
    row?.scrollIntoView({ block: "nearest" });
  }

  function write() {
    const field = document.querySelector("[data-reply]");
    if (field) field.focus();
    else if (document.activeElement?.matches?.("[data-row]")) location.href = `${document.activeElement.href}#compose-body`;
  }

  // What a key does: in the row that has the focus, else an act of the page that is in no row, else the undoing of the last.
  function actOf(key) {
    if (!/^[a-z]$/.test(key)) return null;
    const row = document.activeElement?.closest?.("#live li, #live tr");
    const named = [...(row ?? live).querySelectorAll(`[data-key="${key}"]`)].filter((act) => act.checkVisibility());
    return row && named.length ? named[0] : named.find((act) => !act.closest("li, tr")) ?? said?.querySelector(`[data-key="${key}"]`);
  }

  document.addEventListener("toggle", ({ target }) => {
    if (target.matches("details.act") && target.open) target.querySelector("textarea, input:not([type=hidden]), button")?.focus();
  }, true);

  const KEYS = {
    "/": () => document.querySelector("[data-search]")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    r: write,
    c: () => document.querySelector("[data-compose-page]")?.click(),
    "?": () => help.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input, textarea, select");
    if (event.key === "Escape" && field) {
      const act = field.closest("details.act");
      if (act && !field.value) closeAct(act);
      else field.blur();
      return;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field?.form?.matches("[data-compose]")) {
      event.preventDefault();
      field.form.requestSubmit();
      return;
    }
    if (field || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = actOf(event.key);
    if (!act && !KEYS[event.key]) return;
    event.preventDefault();
    if (act) act.click();
    else KEYS[event.key]();
  });

  document.addEventListener("DOMContentLoaded", () => {
    settle();
    connect();
    document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    if (location.hash === "#compose-body") write();
  });
})();
