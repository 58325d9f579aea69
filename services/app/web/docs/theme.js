// Runs before the first paint: the page's theme, which Swagger UI calls by a class of its own.
"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let theme = null;
    try {
      theme = localStorage.getItem("theme");
    } catch {
      // Without storage the system's theme is right.
    }
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    root.classList.toggle("dark-mode", theme === "dark" || (theme !== "light" && dark.matches));
  };
  apply();
  dark.addEventListener("change", apply);
  addEventListener("storage", apply); // the theme was set in another tab
})();
