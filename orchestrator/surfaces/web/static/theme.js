// Runs before the first paint, so that a page never flashes in the other theme. Kept classic on purpose: modules run too late.
(() => {
  let chosen = "system";
  try {
    chosen = localStorage.getItem("deputy.theme") || "system";
  } catch {
    // a browser that keeps nothing follows the system
  }
  const dark = chosen === "dark" || (chosen === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.dataset.chosen = chosen;
})();
