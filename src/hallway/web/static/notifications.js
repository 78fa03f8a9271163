// Notifications of this browser, if the person wants them: one for each item that needs attention, with its headline only.
// One tab of the browser sends them, which a lock decides; it asks the hub also while it is hidden. What was sent is kept
// in the browser's storage, so that another tab, or this one after a reload, does not send it again.
"use strict";

(() => {
  const button = document.querySelector("[data-notify]");
  const icon = document.querySelector("link[rel=icon]");
  const plain = icon.href;
  if (!button) return;

  const WANTED = "hallway_notify", TOLD = "hallway_told", COUNT = "hallway_count", SHOWN = "hallway_shown", LOCK = "hallway-notifications";
  const WAIT_S = 25; // how long one question to the hub waits for a change
  const AGAIN_MS = 5000; // after the hub did not answer
  const GRACE_MS = 1500; // for an item that goes by itself, and for a tab that shows it
  const ABSENT_MS = 120000; // without any tab, after which what is there already is nothing new
  const SHOWN_MS = 10000; // how long a tab that was closed may seem to show its items
  const MAX_TOLD = 1000, MAX_SINGLE = 5;

  const read = (name, otherwise) => { try { return JSON.parse(localStorage.getItem(name)) ?? otherwise; } catch { return otherwise; } };
  const write = (name, value) => localStorage.setItem(name, JSON.stringify(value));
  const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const isWanted = () => "Notification" in window && read(WANTED, false) && Notification.permission === "granted";
  const isInFront = () => !document.hidden && document.hasFocus();

  // -- the button -----------------------------------------------------------------------------------------------------

  function showButton() {
    button.hidden = false;
    button.disabled = Notification.permission === "denied";
    button.setAttribute("aria-pressed", String(isWanted()));
    button.textContent = button.disabled ? "This browser blocks notifications" : isWanted() ? "Stop notifying me in this browser" : "Notify me in this browser";
  }

  button.addEventListener("click", async () => {
    if (isWanted()) {
      write(WANTED, false);
      document.title = bareTitle();
    } else if (await Notification.requestPermission() === "granted") {
      remember((await ask("/page/headlines")).items); // what is there already is nothing new
      write(WANTED, true);
    }
    follow();
  });

  // -- the count in the title and the icon ----------------------------------------------------------------------------

  const bareTitle = () => document.title.replace(/^\(\d+\) /, "");

  function showCount() {
    const bare = bareTitle();
    const inTitle = document.title.match(/^\((\d+)\) /)?.[1];
    const count = isWanted() ? read(COUNT, 0) : Number(inTitle ?? 0);
    const title = count ? `(${count}) ${bare}` : bare;
    if (document.title !== title) document.title = title;
    const href = count ? icon.dataset.badge : plain;
    if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
  }

  // -- what the tab in front shows needs no notification ---------------------------------------------------------------

  let lookedAt = -AGAIN_MS;

  function noteShown() {
    const rows = isInFront() ? [...document.querySelectorAll("#live [id^=need-]")].filter((row) => row.checkVisibility()) : [];
    if (rows.length) write(SHOWN, { at: Date.now(), ids: rows.map((row) => row.id.slice("need-".length)) });
    if (!rows.length || !button.dataset.here || performance.now() - lookedAt < AGAIN_MS) return;
    lookedAt = performance.now();
    fetch("/notifications/look", { method: "POST", headers: { "Content-Type": "application/json", "Hallway-Here": button.dataset.here }, body: "{}" }).catch(() => {}); // the page says by itself that the hub is gone
  }

  function isShown(id) {
    const shown = read(SHOWN, { at: 0, ids: [] });
    return Date.now() - shown.at < SHOWN_MS && shown.ids.includes(id);
  }

  // -- one tab follows the list and sends -----------------------------------------------------------------------------

  let isFollowing = false;

  async function follow() {
    showButton();
    showCount();
    if (isFollowing || !isWanted()) return;
    isFollowing = true;
    try {
      if (navigator.locks) await navigator.locks.request(LOCK, lead);
      else await lead();
    } finally {
      isFollowing = false;
    }
  }

  async function lead() {
    let version = "", told = read(TOLD, { at: 0, ids: [] });
    let isNew = Date.now() - told.at < ABSENT_MS; // whether what is not told yet has appeared since
    while (isWanted()) {
      try {
        const now = await ask(`/attention?limit=1${version && `&version=${version}&wait_s=${WAIT_S}`}`);
        if (now.version !== version) {
          version = now.version;
          await tell(await ask("/page/headlines"), isNew);
          isNew = true;
        }
        told = read(TOLD, told);
        write(TOLD, { ...told, at: Date.now() });
      } catch {
        await pause(AGAIN_MS);
      }
    }
  }

  async function ask(address) {
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout((WAIT_S + 10) * 1000) });
    if (!answer.ok) throw new Error(`the hub answers ${answer.status}`);
    return answer.json();
  }

  // Returns those of the items that were not told before.
  function remember(items) {
    const { ids } = read(TOLD, { at: 0, ids: [] });
    const fresh = items.filter((each) => !ids.includes(each.item_id));
    write(TOLD, { at: Date.now(), ids: [...ids, ...fresh.map((each) => each.item_id)].slice(-MAX_TOLD) });
    return fresh;
  }

  async function tell(list, isNew) {
    const fresh = remember(list.items);
    write(COUNT, list.total);
    showCount();
    if (!isNew || !fresh.length) return;
    await pause(GRACE_MS);
    const still = new Set((await ask("/page/headlines")).items.map((each) => each.item_id));
    const due = fresh.filter((each) => isWanted() && still.has(each.item_id) && !isShown(each.item_id));
    if (due.length > MAX_SINGLE) send("hallway", `${due.length} things need your attention`);
    else for (const each of due) send(each.item_id, each.headline);
  }

  function send(id, headline) {
    try {
      const notification = new Notification(headline, { tag: id, icon: plain });
      notification.addEventListener("click", () => { window.focus(); location.href = "/"; });
    } catch { // a browser that shows notifications from a service worker only
      write(WANTED, false);
      follow();
    }
  }

  document.getElementById("live").addEventListener("hallway:shown", () => { showCount(); noteShown(); });
  addEventListener("focus", noteShown);
  document.addEventListener("visibilitychange", noteShown);
  setInterval(noteShown, SHOWN_MS / 2);
  addEventListener("storage", (event) => {
    if (event.key === WANTED || event.key === COUNT) { if ("Notification" in window) follow(); }
  });
  document.addEventListener("DOMContentLoaded", () => {
    noteShown();
    if ("Notification" in window && window.isSecureContext) follow();
  });
})();
