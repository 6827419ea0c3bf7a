"use strict";
// The page works without this file where reading is concerned. It adds charts, the keyboard, the theme switch and focus.
(() => {
  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add("scripted");

  // Charts. uPlot draws on a canvas, which knows no style sheet: colours are read from its variables, at each drawing.
  const drawn = new Map();
  const DAY = 86400;
  const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
  const units = (value) => number(value, value < 10 && value % 1 ? 1 : 0);
  const dayOf = (seconds) => new Date(seconds * 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });

  function palette(element) {
    const probe = element.appendChild(document.createElement("i"));
    const colour = (name, alpha = 1) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color.replace(/rgba?\(([^)]+)\)/, (_, parts) => `rgba(${parts.split(",").slice(0, 3)}, ${alpha})`);
    };
    const names = ["ink", "soft", "line", "forecast", "advised", "promotion", "bad", "accent"];
    const found = Object.fromEntries(names.map((name) => [name, (alpha) => colour(name, alpha)]));
    const solved = Object.fromEntries(names.map((name) => [name, { full: found[name](1), light: found[name](0.22), faint: found[name](0.1) }]));
    probe.remove();
    return solved;
  }

  const axis = (colours, more = {}) => ({
    stroke: colours.soft.full, grid: { stroke: colours.line.full, width: 1 }, ticks: { show: false }, font: "12px system-ui", size: 28, ...more,
  });
  const fits = (least) => (_, said) => Math.max(least, 14 + 7 * Math.max(0, ...(said ?? []).map((one) => String(one ?? "").length)));
  const shade = (plot, first, last, fill) => {
    const { left, top, width, height } = plot.bbox, inside = (at) => Math.min(Math.max(plot.valToPos(at, "x", true), left), left + width);
    const from = inside(first), to = inside(last);
    plot.ctx.fillStyle = fill;
    if (to > left && from < left + width) plot.ctx.fillRect(from, top, Math.max(to - from, 2), height);
  };
  const rule = (plot, at, stroke, dash = []) => {
    const x = Math.round(plot.valToPos(at, "x", true)), { ctx, bbox } = plot;
    ctx.save();
    Object.assign(ctx, { strokeStyle: stroke, lineWidth: devicePixelRatio * 1.5 });
    ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
    ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    ctx.restore();
  };

  const kinds = {
    fan(whole, colours, figure) {
      // On a phone six weeks of bars can be told apart, thirteen cannot.
      const from = figure.clientWidth < 480 ? Math.max(0, whole.days.indexOf(whole.today) - 41) : 0;
      const cut = (lines) => Object.fromEntries(Object.entries(lines).map(([name, line]) => [name, line?.length === whole.days.length ? line.slice(from) : line]));
      const data = { ...cut(whole), past: cut(whole.past) };
      const past = $$("[data-past]:checked", figure).map((box) => box.value);
      const line = (stroke, more = {}) => ({ stroke, width: 2, points: { show: false }, ...more });
      const edge = { stroke: "transparent", points: { show: false } };
      return {
        data: [data.days.map((day) => day * DAY), data.sold, data.p975, data.p025, data.p90, data.p10, data.mean, ...past.map((h) => data.past[h])],
        series: [{}, { fill: colours.soft.light, stroke: colours.soft.full, width: 0, paths: uPlot.paths.bars({ size: [0.72, 14] }), points: { show: false }, fill: colours.soft.full },
          edge, edge, edge, edge, line(colours.forecast.full), ...past.map(() => line(colours.promotion.full, { width: 1.5, dash: [4, 3] }))],
        bands: [{ series: [2, 3], fill: colours.forecast.faint }, { series: [4, 5], fill: colours.forecast.light }],
        scales: { y: { range: (_, low, high) => [0, Math.max(high, 1) * 1.08] } },
        axes: [axis(colours, { values: (_, ticks) => ticks.map((tick) => dayOf(tick).slice(4)), space: 70, grid: { show: false } }), axis(colours, { size: fits(38) })],
        behind(plot) {
          for (const [first, last] of data.promotions) shade(plot, (first - 0.5) * DAY, (last + 0.5) * DAY, colours.promotion.light);
          for (const [first, last] of data.empty) shade(plot, (first - 0.5) * DAY, (last + 0.5) * DAY, colours.bad.light);
          if (data.p10.some((value) => value !== null)) rule(plot, (data.today + 0.5) * DAY, colours.soft.full, [3, 3]);
        },
        say(i) {
          const day = dayOf(data.days[i] * DAY);
          const before = past.filter((h) => data.past[h][i] !== null).map((h) => `${h} d before: ${units(data.past[h][i])}`).join(", ");
          if (data.mean[i] === null) return `${day}: ${units(data.sold[i] ?? 0)} sold${before && ` (${before})`}`;
          return `${day}: ${number(data.mean[i], 1)} expected, 80 %: ${units(data.p10[i])} to ${units(data.p90[i])}`;
        },
      };
    },
    price(data, colours) {
      const edge = { stroke: "transparent", points: { show: false } };
      return {
        data: [data.prices, data.high, data.low, data.profit, data.units],
        series: [{}, edge, edge, { stroke: colours.forecast.full, width: 2, points: { show: false } },
          { stroke: colours.soft.full, width: 1.5, dash: [5, 4], scale: "units", points: { show: false } }],
        bands: [{ series: [1, 2], fill: colours.forecast.light }],
        scales: { x: { time: false }, units: { range: (_, low, high) => [0, high * 1.15] } },
        axes: [axis(colours, { values: (_, ticks) => ticks.map((tick) => number(tick, 2)), space: 60, grid: { show: false } }), axis(colours, { size: fits(48) }),
          axis(colours, { side: 1, scale: "units", size: fits(42), grid: { show: false } })],
        behind(plot) { shade(plot, ...data.allowed, colours.accent.faint); },
        over(plot) {
          rule(plot, data.current, colours.ink.full, [4, 3]);
          if (data.recommended !== null && data.recommended !== data.current) rule(plot, data.recommended, colours.advised.full);
        },
        say: (i) => `${number(data.prices[i], 2)}: profit ${number(data.profit[i])}, 80 %: ${number(data.low[i])} to ${number(data.high[i])}; ${units(data.units[i])} units`,
      };
    },
  };

  function draw(element) {
    drawn.get(element)?.destroy();
    const figure = element.closest("figure"), tip = $(".tip", figure);
    const { data, behind, over, say, ...options } = kinds[element.dataset.kind](JSON.parse(element.dataset.chart), palette(element), figure);
    const hooks = { drawClear: [(plot) => behind?.(plot)], draw: [(plot) => over?.(plot)], setCursor: [(plot) => { tip.textContent = plot.cursor.idx == null ? "" : say(plot.cursor.idx); }] };
    const size = { width: element.clientWidth, height: element.clientHeight };
    drawn.set(element, new uPlot({ ...size, ...options, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"), legend: { show: false }, cursor: { y: false, drag: { setScale: false } }, hooks }, data, element));
  }
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.clientWidth && drawn.get(target)?.width !== target.clientWidth) draw(target);
  });
  function drawAll() {
    for (const element of drawn.keys()) if (!element.isConnected) { drawn.get(element).destroy(); drawn.delete(element); }
    for (const element of $$("[data-chart]")) if (!drawn.has(element)) { drawn.set(element, { destroy() {} }); resized.observe(element); }
  }
  const redraw = () => { for (const element of [...drawn.keys()]) if (element.isConnected) draw(element); };
  document.addEventListener("emma:theme", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.addEventListener("change", ({ target }) => { if (target.matches("[data-past]")) draw($("[data-chart]", target.closest("figure"))); });

  // The list and the detail are one page: the list's links and form keep the product that is open.
  const detail = () => $("#detail");
  function follow() {
    document.body.classList.toggle("has-detail", location.pathname.split("/").length > 3);
    for (const link of $$("[data-keep-path]")) {
      const name = link.tagName === "FORM" ? "action" : "href", address = new URL(link.getAttribute(name), location);
      link.setAttribute(name, location.pathname + address.search);
    }
    for (const link of $$("#rows a.open")) {
      const current = new URL(link.href).pathname === location.pathname;
      current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
      link.closest("tr").classList.toggle("current", current);
    }
  }
  document.addEventListener("htmx:after:history:push", follow);
  document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
    // An address holds what was chosen, not every field that was left alone.
    if (target.id === "filter") for (const [name, value] of [...ctx.request.body]) if (value === "" || (name === "days" && value === "28")) ctx.request.body.delete(name);
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    drawAll();
    follow();
    if (ctx.target?.id === "detail") {
      $("h1", detail())?.focus({ preventScroll: true });
      detail().scrollTop = 0;
      if (getComputedStyle($("#list")).display === "none") scrollTo(0, 0);
      document.title = `${$("h1", detail())?.textContent.trim() ?? "Products"} · Emma`;
    }
  });
  document.addEventListener("htmx:error", () => { const status = $("#status"); if (status) status.textContent = "The server does not answer; try again."; });

  // Whoever leaves the page of what changed has seen it; loading it again shows the same.
  const unseen = $("form[data-seen]");
  if (unseen) {
    const address = new URL(location);
    if (!address.searchParams.has("since")) { address.searchParams.set("since", unseen.dataset.seen); history.replaceState(history.state, "", address); }
    addEventListener("pagehide", () => navigator.sendBeacon(unseen.action, new URLSearchParams(new FormData(unseen))));
  }

  // Keyboard.
  const rows = () => $$("#rows a.open");
  function step(by) {
    const links = rows(), open = links.findIndex((link) => link === document.activeElement);
    const from = open >= 0 ? open : links.findIndex((link) => link.hasAttribute("aria-current"));
    links[Math.min(Math.max(from + by, 0), links.length - 1)]?.focus();
    document.activeElement.scrollIntoView({ block: "nearest" });
  }
  const actions = {
    theme() {
      const next = { "": "dark", dark: "light", light: "" }[root.dataset.theme || ""];
      root.dataset.theme = next;
      document.cookie = `emma-theme=${next}; path=/; max-age=${next ? 31536000 : 0}; SameSite=Lax`;
      document.dispatchEvent(new Event("emma:theme"));
    },
    help() { $("#help")?.showModal(); },
    copy({ target }) { navigator.clipboard?.writeText($(target.dataset.from).textContent).then(() => { target.textContent = "Copied"; }); },
  };
  const keys = {
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    "/": () => { $("#search")?.focus(); $("#search")?.select(); },
    f: () => { const filters = $("#filters"); if (filters) { filters.open = true; $("select, input", filters)?.focus(); } },
    e: () => { const open = $("#open-in") ?? $("#open-list-in"); if (open) { open.open = true; $("a", open)?.focus(); } },
    "?": actions.help,
    Escape: () => { for (const menu of $$("details.menu[open]")) menu.open = false; ($("#rows a.open[aria-current]") ?? rows()[0])?.focus(); },
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]") || (typing && event.key !== "Escape")) return;
    if (event.key.startsWith("Arrow") && !(event.target === document.body || event.target.closest("#list"))) return;
    const act = rows().length || event.key === "?" || event.key === "e" ? keys[event.key] : undefined;
    if (act) { event.preventDefault(); act(); }
  });
  document.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act in actions) actions[act](event);
    for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("change", ({ target }) => { if (target.matches("select[data-go]")) location.assign(target.value); });

  drawAll();
  follow();
})();
