// The plots of the stats page: the numbers of its JSON page, drawn by uPlot, and drawn again after an event.
"use strict";

(() => {
  const place = document.querySelector("[data-plots]");
  const live = document.getElementById("live");
  const plots = {};
  const LEAST_GAP_MS = 5000;
  let drawnAt = -LEAST_GAP_MS, timer = 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const SERIES = {
    by_status: { waiting: "--yellow", working: "--green", active: "--cyan", idle: "--blue", unknown: "--grey" },
    messages: { messages: "--blue" },
    wait_s: { seconds: "--green" },
  };

  function columns(name, data) {
    if (name !== "by_status") return [[Object.keys(SERIES[name])[0]], [data[name]]];
    const words = Object.keys(SERIES.by_status).filter((word) => data.by_status[word]);
    return [words, words.map((word) => data.by_status[word])];
  }

  function options(name, words, width) {
    const ink = { stroke: colour("--ink-2"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    return {
      width, height: 180, cursor: { y: false }, legend: { live: true },
      scales: { y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
      axes: [ink, { ...ink, size: 44 }],
      series: [{}, ...words.map((word) => ({
        label: word, stroke: colour(SERIES[name][word]), width: 1.5, points: { show: name === "wait_s", size: 5 },
        paths: name === "wait_s" ? undefined : uPlot.paths.stepped({ align: -1 }), spanGaps: name === "wait_s",
      }))],
    };
  }

  async function draw() {
    timer = 0;
    drawnAt = performance.now();
    const answer = await fetch(place.dataset.plots.split("?")[0] + location.search, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) return; // the page itself shows that the hub cannot be reached
    const data = (await answer.json()).plots;
    for (const box of place.querySelectorAll("[data-plot]")) {
      const name = box.dataset.plot, [words, values] = columns(name, data);
      plots[name]?.destroy();
      plots[name] = new uPlot(options(name, words, box.clientWidth), [data.at_s, ...values], box);
    }
    place.dataset.drawn = "true";
  }

  const soon = (gap) => { timer ||= setTimeout(draw, Math.max(0, drawnAt + gap - performance.now())); };
  live.addEventListener("hallway:shown", () => soon(LEAST_GAP_MS));
  document.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(draw, 50); });
  window.addEventListener("resize", () => soon(100));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => soon(0));
})();
