"use strict";
(function () {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colourKeys = new Set(["color", "fillcolor", "bgcolor", "colorscale"]);
  const drawn = new Set();

  function palette() {
    const style = getComputedStyle(document.documentElement);
    const colours = {};
    for (const name of ["text", "soft", "surface", "line", "grid", "muted", "faint", "veil", "accent", "accent-soft"]) {
      colours[name] = style.getPropertyValue("--" + name).trim();
    }
    return colours;
  }

  function painted(node, colours) {
    if (Array.isArray(node)) return node.map((item) => painted(item, colours));
    if (node === null || typeof node !== "object") return node;
    const copy = {};
    for (const [key, value] of Object.entries(node)) {
      if (key === "colorscale") copy[key] = [[0, colours["accent-soft"]], [1, colours[value]]];
      else if (colourKeys.has(key) && colours[value]) copy[key] = colours[value];
      else copy[key] = painted(value, colours);
    }
    return copy;
  }

  function framed(layout, colours) {
    const axis = { gridcolor: colours.grid, linecolor: colours.line, tickcolor: colours.line };
    const titled = (given) => ({ ...axis, ...given, title: { ...given.title, font: { size: 12, color: colours.soft } } });
    return {
      margin: { l: 48, r: 12, t: 12, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colours.soft },
      hoverlabel: { bgcolor: colours.surface, bordercolor: colours.line, font: { color: colours.text, size: 12 }, align: "left" },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 12 } },
      dragmode: false,
      ...layout,
      xaxis: titled(layout.xaxis),
      yaxis: titled(layout.yaxis),
    };
  }

  function draw(place) {
    const figure = figures[Number(place.dataset.figure)];
    const colours = palette();
    const { data, layout } = painted(figure, colours);
    Plotly.react(place, data, framed(layout, colours), { displayModeBar: false, responsive: true, scrollZoom: false });
    drawn.add(place);
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          watcher.unobserve(entry.target);
          draw(entry.target);
        }
      }
    },
    { rootMargin: "600px" },
  );
  for (const place of document.querySelectorAll("[data-figure]")) {
    place.style.minHeight = figures[Number(place.dataset.figure)].layout.height + "px";
    watcher.observe(place);
  }
  dark.addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => document.querySelectorAll("[data-figure]").forEach(draw));
})();
