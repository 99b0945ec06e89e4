// Draws the page's plotly figures: when they come near the screen, with the smallest bundle
// that the page needs, in the colours of the theme, and again when the reader switches it.
(() => {
  "use strict";
  const base = new URL(".", document.currentScript.src);
  const figures = [...document.querySelectorAll(".anatomy-figure")];
  const drawn = new Map();

  let library = null;
  function plotly() {
    const bundle = figures.some((f) => f.dataset.bundle === "cartesian") ? "cartesian" : "basic";
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(`plotly/plotly-${bundle}.min.js`, base);
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error(`The figures' library is missing: ${script.src}`));
      document.head.append(script);
    });
    return library;
  }

  function theme(given) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const text = colour("--pst-color-text-base");
    const muted = colour("--pst-color-text-muted");
    const line = colour("--anatomy-line");
    const surface = colour("--pst-color-surface");
    const axis = { gridcolor: line, linecolor: muted, zerolinecolor: line, tickcolor: muted };
    const control = { bgcolor: surface, bordercolor: line, font: { color: text } };
    const layout = given?.layout ?? {};
    return {
      ...given,
      layout: {
        ...layout,
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { ...layout.font, color: text, family: colour("--anatomy-sans") },
        xaxis: { ...layout.xaxis, ...axis },
        yaxis: { ...layout.yaxis, ...axis },
        hoverlabel: { ...control, font: { ...control.font, family: colour("--anatomy-sans") } },
        legend: { ...layout.legend, bgcolor: "rgba(0,0,0,0)" },
        sliderdefaults: { ...control, activebgcolor: muted, currentvalue: { font: { color: text } } },
        updatemenudefaults: control,
        shapedefaults: { line: { color: muted } },
      },
    };
  }

  async function draw(figure) {
    if (drawn.has(figure)) return;
    const source = JSON.parse(figure.querySelector("script").textContent);
    drawn.set(figure, source.layout?.template);
    const place = figure.querySelector(".anatomy-plot");
    const layout = { ...source.layout, template: theme(source.layout?.template), autosize: true };
    delete layout.width;
    // A finger that scrolls the page must not zoom a figure.
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    const config = { responsive: true, displayModeBar: false, displaylogo: false };
    config.modeBarButtonsToRemove = ["sendChartToCloud"];
    const Plotly = await plotly();
    await Plotly.newPlot(place, { data: source.data, layout, frames: source.frames, config });
    figure.dataset.drawn = "";
  }

  const drawAll = () => figures.forEach(draw);
  const near = new IntersectionObserver(
    (entries) => entries.filter((e) => e.isIntersecting).forEach((e) => draw(e.target)),
    { rootMargin: "800px" },
  );
  figures.forEach((figure) => near.observe(figure));
  addEventListener("beforeprint", drawAll);

  new MutationObserver(() => {
    for (const [figure, given] of drawn) {
      if (!("drawn" in figure.dataset)) continue;
      window.Plotly.relayout(figure.querySelector(".anatomy-plot"), { template: theme(given) });
    }
  }).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  // A hidden output has no width; give it one when the reader opens it.
  document.addEventListener(
    "toggle",
    (event) => {
      for (const place of event.target.querySelectorAll?.("[data-drawn] .anatomy-plot") ?? []) {
        window.Plotly.Plots.resize(place);
      }
    },
    true,
  );
})();
