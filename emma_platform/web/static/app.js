"use strict";
// What a page without this file lacks: the theme switch.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  const actions = {
    theme() {
      const next = { "": "dark", dark: "light", light: "" }[root.dataset.theme || ""];
      root.dataset.theme = next;
      document.cookie = `emma-theme=${next}; path=/; max-age=${next ? 31536000 : 0}; SameSite=Lax`;
      document.dispatchEvent(new Event("emma:theme"));
    },
    help() { document.getElementById("help").showModal(); },
  };
  document.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act in actions) actions[act](event);
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
})();
