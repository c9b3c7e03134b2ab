// Figures: plotly's code once, and the data of a figure when a reader comes near it; drawn anew when the theme changes.
(() => {
  "use strict";
  const here = document.currentScript.src.replace(/site\.js.*$/, "");
  window.limitlab = { figures: {}, looks: {} };
  const scripts = new Map();
  const load = (name) => {
    if (!scripts.has(name)) {
      scripts.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = here + name;
        script.onload = resolve;
        script.onerror = () => reject(new Error(`${name} is missing`));
        document.head.append(script);
      }));
    }
    return scripts.get(name);
  };

  const night = window.matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    const theme = document.body.dataset.theme;
    return theme === "dark" || (theme !== "light" && night.matches) ? "dark" : "light";
  };

  const small = (layout) => {
    const axes = Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name));
    const bare = Object.fromEntries(axes.map((name) => [name, { ...layout[name], title: { text: "" } }]));
    return {
      ...layout, ...bare, title: { text: "" }, showlegend: false, height: 150, font: { size: 8 },
      margin: { l: 26, r: 6, t: 14, b: 22 }, updatemenus: [], sliders: [],
    };
  };

  const draw = async (block) => {
    const key = block.dataset.figure, theme = look();
    await Promise.all([load("plotly.js"), load("looks.js"), load(`figures/${key}.js`)]);
    const figure = window.limitlab.figures[key];
    const tiny = block.classList.contains("small");
    const layout = { ...(tiny ? small(figure.layout) : figure.layout), autosize: true };
    delete layout.width;
    layout.template = window.limitlab.looks[theme];
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    const data = tiny ? figure.data.map((trace) => ({ ...trace, showscale: false })) : figure.data;
    const config = { responsive: true, displaylogo: false, plotlyServerURL: "", staticPlot: tiny };
    // a copy: plotly writes its defaults into what it is given
    await window.Plotly.newPlot(block, structuredClone({ data, layout, frames: figure.frames, config }));
    block.dataset.drawn = theme;
    // the theme may have changed meanwhile
    if (theme !== look()) await draw(block);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const blocks = [...document.querySelectorAll("[data-figure]")];
    const near = new Set();
    const watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) {
          near.add(target);
          if (target.dataset.drawn !== look()) draw(target);
        } else {
          near.delete(target);
        }
      }
    }, { rootMargin: "400px" });
    blocks.forEach((block) => watch.observe(block));
    const redraw = () => near.forEach((block) => block.dataset.drawn !== look() && draw(block));
    new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
    night.addEventListener("change", redraw);
    window.addEventListener("beforeprint", () => blocks.forEach(draw));
  });
})();
