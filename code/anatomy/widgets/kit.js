// What the explorers share: a custom element that follows the page's theme and
// width, a few controls with labels, and helpers that make nodes.
// The explorers' Python side joins this file with an explorer into one inline
// module, so nothing here may use the network.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** A node with attributes, properties that are functions as listeners, and children. */
function node(create, attributes, children) {
  const element = create;
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const html = (tag, attributes, ...children) =>
  node(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) =>
  node(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);

/** A linear map from data to pixels, with its inverse. */
export function scale([from, to], [start, end]) {
  const slope = (end - start) / (to - from);
  const map = (value) => start + (value - from) * slope;
  map.invert = (pixel) => from + (pixel - start) / slope;
  return map;
}

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A number with a true minus sign and a fixed number of digits; never "−0.00". */
export function format(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

export const signed = (value, digits = 2) =>
  Number(Math.abs(value).toFixed(digits)) === 0
    ? (0).toFixed(digits)
    : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

/** About `count` round numbers between the two ends. */
export function ticks(from, to, count) {
  const raw = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const values = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9; i += 1) values.push(i * step);
  return values;
}

export function range(length) {
  return Array.from({ length }, (_, index) => index);
}

/** An arrow head that points right (direction 1), left (−1). */
export const arrowHead = (x, y, direction, size, attributes = {}) =>
  svg("path", {
    d: `M${x} ${y}l${-direction * size} ${-size * 0.62}v${size * 1.24}z`,
    ...attributes,
  });

// ---------------------------------------------------------------- controls

let controlCount = 0;

/**
 * A labelled range input. `name` is what stands before the value, `describe`
 * turns the value into the words that a screen reader says.
 */
export function slider({ name, symbol, min, max, step, value, show, describe, onInput, part }) {
  const id = `control-${(controlCount += 1)}`;
  const output = html("output", { for: id, class: "value" });
  const input = html("input", { type: "range", id, min, max, step, value, part });
  const update = () => {
    const number = Number(input.value);
    output.textContent = show(number);
    input.setAttribute("aria-valuetext", (describe ?? show)(number));
    input.style.setProperty("--filled", `${((number - min) / (max - min)) * 100}%`);
  };
  input.addEventListener("input", () => {
    update();
    onInput(Number(input.value));
  });
  update();
  const label = html(
    "label",
    { for: id },
    name,
    symbol ? html("span", { class: "symbol" }, ` ${symbol}`) : null,
  );
  const element = html("div", { class: "control" }, html("div", { class: "label" }, label, output), input);
  element.set = (number) => {
    input.value = String(number);
    update();
  };
  element.input = input;
  return element;
}

/** One choice among a few, as native radio buttons that look like a row of keys. */
export function choice({ legend, options, value, onChange }) {
  const name = `choice-${(controlCount += 1)}`;
  const inputs = options.map(([key]) =>
    html("input", {
      type: "radio",
      name,
      value: key,
      checked: key === value,
      change: () => onChange(key),
    }),
  );
  const element = html(
    "fieldset",
    { class: "choice" },
    html("legend", {}, legend),
    html(
      "div",
      { class: "keys" },
      options.map(([, text], index) => html("label", {}, inputs[index], html("span", {}, text))),
    ),
  );
  element.set = (key) => {
    for (const input of inputs) input.checked = input.value === key;
  };
  return element;
}

export const button = (text, click, attributes = {}) =>
  html("button", { type: "button", click, ...attributes }, text);

// ------------------------------------------------------------------- style

// Colours follow the page: first the variables of the book's theme, then
// JupyterLab's, then whatever the page gives its text. Old and new have the colours
// that they have in the book's plots; the signs are Okabe–Ito's green and vermilion.
// All are lighter on a dark page, and nothing is told by colour alone.
const STYLE = `
:host {
  display: block; container-type: inline-size; margin: 0.5rem 0 1rem; max-width: 46rem;
  color: var(--pst-color-text-base, var(--jp-ui-font-color1, inherit));
  background: var(--pst-color-background, var(--jp-layout-color0, transparent));
  font-family: var(--pst-font-family-base, var(--jp-ui-font-family, system-ui, sans-serif));
  font-size: 15px; line-height: 1.45; text-align: left;
  color-scheme: light;
  --old: var(--anatomy-old, #7b8794); --new: var(--anatomy-new, #2a6fbb); --good: #009e73; --bad: #d55e00;
  --old-text: #59646f; --new-text: color-mix(in srgb, var(--new) 88%, black); --good-text: #00704f; --bad-text: #a84800;
  --muted: color-mix(in srgb, currentColor 76%, transparent);
  --line: color-mix(in srgb, currentColor 20%, transparent);
  --grid: color-mix(in srgb, currentColor 11%, transparent);
  --wash: color-mix(in srgb, currentColor 5%, transparent);
  --paper: var(--pst-color-background, var(--jp-layout-color0, #fff));
}
:host([data-dark]) {
  color-scheme: dark;
  --old: color-mix(in srgb, var(--anatomy-old, #7b8794) 75%, white);
  --new: color-mix(in srgb, var(--anatomy-new, #2a6fbb) 62%, white); --good: #2fc898; --bad: #ff8f45;
  --old-text: var(--old); --new-text: color-mix(in srgb, var(--new) 80%, white); --good-text: #4fd8ac; --bad-text: #ffa265;
  --paper: var(--pst-color-background, var(--jp-layout-color0, #181818));
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
.frame { border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px 18px; }
.title { margin: 0; font-weight: 650; font-size: 16px; }
.hint { margin: 2px 0 12px; color: var(--muted); font-size: 14px; }
.controls { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 4px 28px;
  align-items: end; margin-bottom: 10px; }
.label { display: flex; justify-content: space-between; gap: 8px; font-size: 14px; }
.symbol { font-style: italic; font-family: Georgia, "Times New Roman", serif; }
.value { font-variant-numeric: tabular-nums; font-weight: 600; }
input[type=range] { -webkit-appearance: none; appearance: none; display: block; width: 100%; height: 44px;
  margin: -6px 0; background: transparent; cursor: pointer; touch-action: pan-y; border-radius: 8px; }
input[type=range]::-webkit-slider-runnable-track { height: 4px; border-radius: 2px;
  background: linear-gradient(to right, var(--new) var(--filled, 50%), var(--line) var(--filled, 50%)); }
input[type=range]::-moz-range-track { height: 4px; border-radius: 2px;
  background: linear-gradient(to right, var(--new) var(--filled, 50%), var(--line) var(--filled, 50%)); }
input[type=range]::-webkit-slider-thumb { -webkit-appearance: none; width: 20px; height: 20px; margin-top: -8px;
  border-radius: 50%; background: var(--paper); border: 3px solid var(--new); }
input[type=range]::-moz-range-thumb { width: 14px; height: 14px; border-radius: 50%;
  background: var(--paper); border: 3px solid var(--new); }
:focus-visible { outline: 3px solid var(--new); outline-offset: 2px; }
input[type=range]:focus-visible { outline-offset: -7px; }
button { font: inherit; font-size: 14px; color: inherit; background: var(--wash); border: 1px solid var(--line);
  border-radius: 8px; min-height: 44px; padding: 6px 14px; cursor: pointer; }
button:hover:not(:disabled) { border-color: var(--new); }
button:disabled { opacity: 0.55; cursor: default; }
.buttons { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
.choice legend { padding: 0; font-size: 14px; margin-bottom: 4px; }
.keys { display: flex; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.keys label { flex: 1; position: relative; }
.keys label + label { border-left: 1px solid var(--line); }
.keys input { position: absolute; inset: 0; opacity: 0; width: 100%; height: 100%; margin: 0; cursor: pointer; }
.keys span { display: flex; align-items: center; justify-content: center; min-height: 42px; padding: 4px 8px;
  font-size: 14px; text-align: center; line-height: 1.2; }
.keys input:checked + span { background: color-mix(in srgb, var(--new) 18%, transparent); font-weight: 650;
  box-shadow: inset 0 -3px var(--new); }
.keys input:focus-visible + span { outline: 3px solid var(--new); outline-offset: -3px; border-radius: 8px; }
svg { display: block; width: 100%; overflow: visible; font-size: 13px; touch-action: pan-y;
  font-variant-numeric: tabular-nums; }
svg text { fill: currentColor; }
svg .axis { fill: var(--muted); font-size: 12px; }
svg .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
svg .italic { font-style: italic; font-family: Georgia, "Times New Roman", serif; font-size: 14px; }
.gridline { stroke: var(--grid); } .baseline { stroke: var(--muted); }
.say { margin: 10px 0 0; padding: 10px 14px; border-left: 4px solid var(--new); background: var(--wash);
  border-radius: 0 8px 8px 0; min-height: 5.8em; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
details { margin-top: 12px; }
summary { cursor: pointer; min-height: 44px; display: flex; align-items: center; gap: 8px; font-size: 14px;
  border-radius: 8px; }
summary::before { content: "▸"; color: var(--muted); transition: transform 0.15s; }
details[open] > summary::before { transform: rotate(90deg); }
summary::-webkit-details-marker { display: none; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@container (max-width: 420px) { .frame { padding: 12px 12px 14px; } .say { min-height: 10.2em; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
@media print { .frame { break-inside: avoid; } .controls, .buttons, .hint { display: none; } }
`;

/** Is this colour, as a browser computes it, a light one? Then the page is dark. */
export function isLight(colour) {
  const numbers = (colour.match(/-?[\d.]+(e-?\d+)?/g) ?? []).map(Number);
  const [red, green, blue] = colour.startsWith("color(") ? numbers.map((n) => 255 * n) : numbers;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 140;
}

/** True unless the reader asked for less motion. */
export const motionAllowed = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;

const Base = globalThis.HTMLElement ?? class {};

/**
 * The custom element behind every explorer. A subclass writes `build(root)`,
 * once, and `draw(width)`, whenever the width or the theme changes. The light
 * DOM holds the text for readers without JavaScript and is not shown.
 */
export class Explorer extends Base {
  connectedCallback() {
    if (!this.shadowRoot) {
      this.options = JSON.parse(this.getAttribute("data-options") ?? "{}");
      const root = this.attachShadow({ mode: "open" });
      root.append(html("style", {}, STYLE + (this.constructor.style ?? "")));
      // Keys belong to the control that has the focus: not to the page's shortcuts
      // (a Sphinx page may turn on an arrow key), nor to JupyterLab's.
      this.setAttribute("data-lm-suppress-shortcuts", "true");
      this.addEventListener("keydown", (event) => {
        if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
      });
      // The book's theme puts HTML outputs on a light ground in dark mode.
      const output = this.closest(".text_html");
      output?.style.setProperty("background", "transparent");
      output?.style.setProperty("padding", "0");
      this.followTheme();
      this.build(root);
    }
    this.watchers = [
      new ResizeObserver(() => this.redraw()),
      new MutationObserver(() => this.followTheme()),
    ];
    this.watchers[0].observe(this);
    for (const target of [document.documentElement, document.body]) {
      this.watchers[1].observe(target, {
        attributeFilter: ["data-theme", "theme", "class", "data-jp-theme-light", "style"],
      });
    }
    this.systemTheme = matchMedia("(prefers-color-scheme: dark)");
    this.onSystemTheme = () => this.followTheme();
    this.systemTheme.addEventListener("change", this.onSystemTheme);
  }

  disconnectedCallback() {
    for (const watcher of this.watchers) watcher.disconnect();
    this.systemTheme.removeEventListener("change", this.onSystemTheme);
    this.stop?.();
  }

  followTheme() {
    this.toggleAttribute("data-dark", isLight(getComputedStyle(this).color));
  }

  redraw() {
    const width = this.canvas?.clientWidth ?? 0;
    if (width > 0) this.draw(width);
  }
}

/** Registers an element once, however many copies of the module a page holds. */
export function define(name, element) {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}
