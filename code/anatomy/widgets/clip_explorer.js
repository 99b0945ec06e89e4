// PPO's clipped objective for one sample: L = min(ρA, clip(ρ, 1−ε, 1+ε)·A), eq. 7 of
// Schulman et al. 2017, with the ratio ρ as a point that the reader drags through
// the six regions.
import {
  Explorer, arrowHead, button, clamp, define, format, html, motionAllowed, range, scale, signed, slider, svg, ticks,
} from "./kit.js";

// ------------------------------------------------------------- mathematics

const CLOSE = 1e-9; // 1 + 0.36 is not 1.36 in binary

/** "below", "inside" or "above" the clip range; its two ends count as inside. */
export function place(ratio, clipRange) {
  if (ratio < 1 - clipRange - CLOSE) return "below";
  if (ratio > 1 + clipRange + CLOSE) return "above";
  return "inside";
}

/** The three values and the derivative with respect to ρ. */
export function clippedObjective(ratio, advantage, clipRange) {
  const unclipped = ratio * advantage;
  const clipped = clamp(ratio, 1 - clipRange, 1 + clipRange) * advantage;
  const where = place(ratio, clipRange);
  const flat = advantage > 0 ? where === "above" : where === "below";
  return {
    unclipped,
    clipped,
    objective: Math.min(unclipped, clipped),
    gradient: flat || advantage === 0 ? 0 : advantage,
  };
}

/** The region's key, as "positive-above"; "none" when the advantage is zero. */
export function region(ratio, advantage, clipRange) {
  if (advantage === 0) return "none";
  return `${advantage > 0 ? "positive" : "negative"}-${place(ratio, clipRange)}`;
}

/** A ratio in words: "20 % likelier than under the old policy". */
export function change(ratio) {
  const percent = Math.round(Math.abs(ratio - 1) * 100);
  if (percent === 0) return "exactly as likely as under the old policy";
  return `${percent} % ${ratio > 1 ? "likelier" : "less likely"} than under the old policy`;
}

/** What the gradient does here and why, in one or two short sentences. */
export function explain(ratio, advantage, clipRange) {
  const now = change(ratio);
  return {
    none: "The advantage is zero: the action was as good as expected, and no ratio gives a gradient.",
    "positive-below": `The action turned out better than expected, and yet it is now ${now}. The gradient pulls it back up with full force: the clip does not touch it here.`,
    "positive-inside": `The action turned out better than expected and is now ${now}. The gradient makes it more likely.`,
    "positive-above": `The action turned out better than expected and is already ${now}. No more incentive to go on, and none to come back: the ratio is not forbidden here, its gradient is gone.`,
    "negative-below": `The action turned out worse than expected and is already ${now}. No more incentive to go on, and none to come back: the ratio is not forbidden here, its gradient is gone.`,
    "negative-inside": `The action turned out worse than expected and is now ${now}. The gradient makes it less likely.`,
    "negative-above": `The action turned out worse than expected, and yet it is now ${now}. The gradient pulls it back down with full force: the clip does not touch it here.`,
  }[region(ratio, advantage, clipRange)];
}

// ----------------------------------------------------------------- drawing

const RATIO_MAX = 2;
const STEP_SIZE = 0.15;
const PLACES = ["below", "inside", "above"];
const PLACE_NAMES = { below: "ρ < 1−ε", inside: "inside", above: "ρ > 1+ε" };

class ClipExplorer extends Explorer {
  static style = `
    .plot { cursor: ew-resize; }
    .handle { cursor: grab; } .handle:focus { outline: none; }
    .handle .ring { fill: none; stroke: transparent; }
    .handle:focus-visible .ring { stroke: var(--new); stroke-width: 3; }
    table { margin-top: 14px; }
    th, td { padding: 0 6px; text-align: right; font-weight: 400; height: 34px; }
    thead th { color: var(--muted); font-size: 13px; border-bottom: 1px solid var(--line); }
    th, td { white-space: nowrap; }
    th:first-child { text-align: left; padding: 0; } thead th:first-child { padding-left: 12px; }
    tr.group th { color: var(--muted); font-size: 13px; padding: 10px 0 2px 12px; height: auto; }
    tr.now { background: color-mix(in srgb, var(--new) 15%, transparent); box-shadow: inset 4px 0 var(--new); }
    tr.now td, tr.now th { font-weight: 650; }
    td.least { text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 3px; }
    td .up { color: var(--good-text); } td .down { color: var(--bad-text); } td .none { color: var(--muted); }
    th button { background: none; border: 0; width: 100%; min-height: 36px; padding: 0 6px 0 12px; text-align: left;
      border-radius: 0; font-weight: inherit; white-space: nowrap; }
    th button:hover { text-decoration: underline; }
    .note { color: var(--muted); font-size: 13px; margin: 6px 0 0; }
    @container (max-width: 420px) { th, td { padding: 0 3px; } th button { padding: 0 0 0 8px; min-height: 44px; font-size: 12.5px; }
      table, thead th { font-size: 12px; } thead th:first-child, tr.group th { padding-left: 8px; } .head { display: none; } }
  `;

  build(root) {
    const { advantage = 1, clip_range: clipRange = 0.2, ratio = 1.1 } = this.options;
    Object.assign(this, { advantage, clipRange, ratio });
    this.controls = {
      advantage: slider({
        name: "Advantage", symbol: "A", min: -1, max: 1, step: 0.1, value: advantage,
        show: (value) => signed(value, 1),
        onInput: (value) => this.set({ advantage: value }), part: "advantage",
      }),
      clipRange: slider({
        name: "Clip range", symbol: "ε", min: 0.05, max: 0.5, step: 0.05, value: clipRange,
        show: (value) => format(value), onInput: (value) => this.set({ clipRange: value }), part: "clip-range",
      }),
    };
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.plot = svg("g", { "aria-hidden": "true" });
    this.handle = svg(
      "g",
      { class: "handle", role: "slider", tabindex: 0, "aria-label": "Probability ratio ρ",
        "aria-valuemin": 0, "aria-valuemax": RATIO_MAX, keydown: (event) => this.onKey(event) },
      svg("circle", { r: 22, fill: "transparent" }),
      svg("circle", { r: 14, class: "ring" }),
      svg("circle", { r: 8.5, fill: "var(--new)", stroke: "var(--paper)", "stroke-width": 2.5 }),
    );
    this.canvas = svg(
      "svg",
      { class: "plot", role: "group", "aria-label": "Clipped objective against the probability ratio",
        pointerdown: (event) => this.onPointer(event), pointermove: (event) => this.onPointer(event),
        pointerup: () => { this.dragging = false; }, pointercancel: () => { this.dragging = false; } },
      this.plot,
      this.handle,
    );
    this.body = html("table", {});
    root.append(
      html(
        "div",
        { class: "frame", role: "group", "aria-label": "Clip explorer" },
        html("p", { class: "title" }, "What the clip does to one sample"),
        html("p", { class: "hint" }, "Drag the point, use the arrow keys on it, or press a region in the table."),
        html("div", { class: "controls" }, this.controls.advantage, this.controls.clipRange),
        this.canvas,
        this.say,
        html(
          "div",
          { class: "buttons", style: "margin-top:10px" },
          button("Take one gradient step", () => this.step(), { part: "step" }),
          button("Flip the sign of A", () => this.set({ advantage: -this.advantage || 1 }), { part: "flip" }),
          button("Back to ρ = 1", () => this.set({ ratio: 1 }), { part: "reset" }),
        ),
        this.body,
        html("p", { class: "note" },
          "Underlined: the smaller of the two, which is the one that counts. The shaded row is where the point is; the other rows show an example."),
      ),
    );
    this.refresh();
  }

  set(changes) {
    Object.assign(this, changes);
    this.advantage = Math.round(this.advantage * 10) / 10;
    this.ratio = clamp(Math.round(this.ratio * 100) / 100, 0, RATIO_MAX);
    this.controls.advantage.set(this.advantage);
    this.refresh();
    this.redraw();
  }

  /** ρ ← ρ + η ∂L/∂ρ: the last step inside may well land outside. */
  step() {
    this.set({ ratio: this.ratio + STEP_SIZE * clippedObjective(this.ratio, this.advantage, this.clipRange).gradient });
  }

  onKey(event) {
    const moves = {
      ArrowRight: 0.02, ArrowUp: 0.02, ArrowLeft: -0.02, ArrowDown: -0.02, PageUp: 0.2, PageDown: -0.2, Home: -9, End: 9,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.set({ ratio: this.ratio + moves[event.key] });
  }

  onPointer(event) {
    if (event.type === "pointerdown") {
      this.dragging = true;
      this.canvas.setPointerCapture(event.pointerId);
      this.handle.focus({ preventScroll: true, focusVisible: false });
    }
    if (!this.dragging) return;
    this.set({ ratio: this.x.invert(event.clientX - this.canvas.getBoundingClientRect().left) });
  }

  refresh() {
    const { ratio, advantage, clipRange } = this;
    const { gradient } = clippedObjective(ratio, advantage, clipRange);
    const sentence = explain(ratio, advantage, clipRange);
    if (this.say.textContent !== sentence) this.say.textContent = sentence;
    this.handle.setAttribute("aria-valuenow", ratio.toFixed(2));
    this.handle.setAttribute(
      "aria-valuetext",
      `ratio ${ratio.toFixed(2)}, ${gradient === 0 ? "gradient zero" : `gradient ${signed(gradient, 1)}`}`,
    );
    const current = region(ratio, advantage, clipRange);
    const focused = this.shadowRoot.activeElement?.dataset.region;
    const head = html("thead", {}, html("tr", {}, ["Region", "ρ", "ρA", "clip(ρ)A", "min", "∂/∂ρ"].map((text) =>
      html("th", { scope: "col" }, text))));
    const groups = ["positive", "negative"].map((sign) => this.group(sign, current));
    this.body.replaceChildren(
      html("caption", { class: "visually-hidden" }, "The six regions of the clipped objective"), head, ...groups);
    if (focused) this.body.querySelector(`[data-region=${focused}]`)?.focus();
  }

  group(sign, current) {
    const size = Math.abs(this.advantage) || 1;
    const advantage = sign === "positive" ? size : -size;
    const words = sign === "positive" ? "A > 0: better than expected" : "A < 0: worse than expected";
    const rows = PLACES.map((where) => {
      const key = `${sign}-${where}`;
      const now = key === current;
      const example = { below: 1 - this.clipRange - 0.2, inside: 1 + this.clipRange / 2, above: 1 + this.clipRange + 0.2 };
      const ratio = now ? this.ratio : example[where];
      const values = clippedObjective(ratio, advantage, this.clipRange);
      const arrow = values.gradient === 0
        ? html("span", { class: "none" }, "0")
        : html("span", { class: advantage > 0 ? "up" : "down" }, signed(values.gradient, 1), html("span", { class: "head" }, advantage > 0 ? " →" : " ←"));
      const differ = Math.abs(values.unclipped - values.clipped) > CLOSE;
      const least = (value) => (differ && value === values.objective ? "least" : null);
      return html(
        "tr",
        { class: now ? "now" : null, "aria-current": now ? "true" : null },
        html("th", { scope: "row" }, button(PLACE_NAMES[where], () => this.set({ advantage, ratio }), {
          "data-region": key, "aria-label": `${words}, ${PLACE_NAMES[where]}` })),
        html("td", {}, format(ratio)),
        html("td", { class: least(values.unclipped) }, format(values.unclipped)),
        html("td", { class: least(values.clipped) }, format(values.clipped)),
        html("td", {}, format(values.objective)),
        html("td", {}, arrow),
      );
    });
    return html("tbody", {}, html("tr", { class: "group" }, html("th", { colspan: 6, scope: "rowgroup" }, words)), rows);
  }

  draw(width) {
    const { ratio, advantage, clipRange } = this;
    const narrow = width < 460;
    const left = 40;
    const right = width - 14;
    const top = 30;
    const bottom = narrow ? 236 : 266;
    const lane = bottom + 62; // where the pushes on ρ are drawn
    this.canvas.setAttribute("height", lane + 20);
    const up = advantage >= 0;
    const x = (this.x = scale([0, RATIO_MAX], [left, right]));
    const y = scale(up ? [-0.15, 2] : [-2, 0.15], [bottom, top]);
    const low = 1 - clipRange;
    const high = 1 + clipRange;
    const now = clippedObjective(ratio, advantage, clipRange);
    const value = (rho) => clippedObjective(rho, advantage, clipRange);
    const line = (points, attributes) =>
      svg("path", { d: `M${points.map(([a, b]) => `${x(a)} ${y(b)}`).join("L")}`, fill: "none", ...attributes });
    const text = (px, py, anchor, className, ...content) =>
      svg("text", { x: px, y: py, "text-anchor": anchor, class: className }, ...content);

    const parts = [
      // The clip range is a band, not a wall.
      svg("rect", { x: x(low), y: top, width: x(high) - x(low), height: bottom - top, fill: "var(--wash)" }),
      [low, high].map((edge) => svg("line", { x1: x(edge), x2: x(edge), y1: top, y2: bottom, stroke: "var(--line)", "stroke-dasharray": "2 4" })),
      text(x(low) - 4, top - 10, "end", "axis", narrow ? "1−ε" : `1−ε = ${format(low)}`),
      text(x(high) + 4, top - 10, "start", "axis", narrow ? "1+ε" : `1+ε = ${format(high)}`),
      ticks(up ? 0 : -2, up ? 2 : 0, 2).map((tick) => [
        svg("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: tick === 0 ? "baseline" : "gridline" }),
        text(left - 8, y(tick) + 4, "end", "axis", format(tick, 0)),
      ]),
      text(left - 8, top - 10, "start", "axis italic", "L"),
      svg("line", { x1: x(ratio), x2: x(ratio), y1: y(now.objective), y2: lane, stroke: "var(--new)", "stroke-width": 1.2, "stroke-dasharray": "3 3" }),
      ticks(0, RATIO_MAX, narrow ? 4 : 8).map((tick) =>
        text(x(tick), bottom + 18, "middle", "axis halo", tick % 1 ? format(tick, 2).replace(/0$/, "") : format(tick, 0))),
      // The two candidates, then the smaller of them.
      line([[0, 0], [RATIO_MAX, RATIO_MAX * advantage]], { stroke: "var(--old)", "stroke-width": 1.6, "stroke-dasharray": "7 5" }),
      line([[0, low * advantage], [low, low * advantage], [high, high * advantage], [RATIO_MAX, high * advantage]],
        { stroke: "var(--old)", "stroke-width": 1.8, "stroke-dasharray": "1.5 4.5", "stroke-linecap": "round" }),
      line([0, low, high, RATIO_MAX].map((rho) => [rho, value(rho).objective]),
        { stroke: "var(--new)", "stroke-width": 4, "stroke-linejoin": "round", "stroke-linecap": "round" }),
    ];

    // Names beside the lines, where the lines are apart.
    if (advantage !== 0) {
      const gap = 16;
      const flatEnd = y((up ? high : low) * advantage);
      if (up) {
        parts.push(
          text(x(1.82) - 12, Math.min(y(1.82 * advantage) - 4, flatEnd - 12), "end", "halo", "ρA, not clipped"),
          text(right, flatEnd + gap + 4, "end", "halo", svg("tspan", { "font-weight": 650, fill: "var(--new-text)" }, "min of both")),
          text(left + 8, y(low * advantage) - 8, "start", "halo", "clip(ρ)A"),
        );
      } else {
        parts.push(
          text(left + 8, Math.max(flatEnd + gap + 4, y(0) + 2 * gap), "start", "halo", svg("tspan", { "font-weight": 650, fill: "var(--new-text)" }, "min of both")),
          text(right, y(high * advantage) - 8, "end", "halo", "clip(ρ)A"),
          text(x(0.4) + 8, Math.max(y(0.4 * advantage) - 5, y(0) + 15), "start", "halo", "ρA, not clipped"),
        );
      }
    } else {
      parts.push(text(x(1), y(0) - 14, "middle", "halo", "A = 0: all three lines are zero"));
    }

    // Where the gradient pushes ρ from each place: arrows, and dots where nothing pushes.
    const colour = up ? "var(--good)" : "var(--bad)";
    parts.push(
      text(left - 32, lane - 24, "start", "axis halo", narrow ? "Push of the gradient on ρ" : "Push of the gradient on ρ (dots: none)"),
      range(21).map((index) => {
        const rho = index / 10;
        const { gradient } = value(rho);
        if (Math.abs(x(rho) - x(ratio)) < 26) return null;
        if (gradient === 0) return svg("circle", { cx: x(rho), cy: lane, r: 1.8, fill: "var(--muted)" });
        const sign = Math.sign(gradient);
        return svg("g", { opacity: 0.55 },
          svg("line", { x1: x(rho) - sign * 4, x2: x(rho) + sign * 2, y1: lane, y2: lane, stroke: colour, "stroke-width": 1.6 }),
          arrowHead(x(rho) + sign * 6, lane, sign, 6, { fill: colour }));
      }),
    );
    if (now.gradient === 0) {
      parts.push(svg("circle", { cx: x(ratio), cy: lane, r: 6, fill: "var(--paper)", stroke: "currentColor", "stroke-width": 2.5 }));
    } else {
      const sign = Math.sign(now.gradient);
      const length = 12 + 20 * Math.abs(now.gradient);
      parts.push(
        svg("line", { x1: x(ratio), x2: x(ratio) + sign * length, y1: lane, y2: lane, stroke: colour, "stroke-width": 5 }),
        arrowHead(x(ratio) + sign * (length + 11), lane, sign, 15, { fill: colour }),
      );
    }
    const label = now.gradient === 0 ? "gradient 0" : `gradient ${signed(now.gradient, 1)}`;
    // Beside the point, on the side where no line runs, and below "min of both".
    const flat = now.gradient === 0 && advantage !== 0;
    const side = flat ? (ratio > 1.5 || (ratio > 0.5 && ratio < 1) ? -1 : 1) : ratio > 1 ? -1 : 1;
    const wide = narrow ? 62 : 142; // of the label, in pixels
    const start = clamp(x(ratio) + (side > 0 ? 14 : -14 - wide), left - 30, right - wide);
    const crowded = up ? start + wide > right - 84 : start < left + 96;
    const lift = flat ? (crowded ? 40 : 26) : up === ratio > 1 ? -14 : 26;
    parts.push(
      text(side > 0 ? start : start + wide, Math.min(y(now.objective) + lift, bottom - 5), side > 0 ? "start" : "end", "halo",
        svg("tspan", { "font-weight": 650 }, `ρ = ${format(ratio)}`), narrow ? "" : `, ${label}`),
    );
    this.plot.replaceChildren(...parts.flat(3).filter(Boolean));
    this.handle.setAttribute("transform", `translate(${x(ratio)} ${y(now.objective)})`);
  }
}

define("anatomy-clip-explorer", ClipExplorer);
