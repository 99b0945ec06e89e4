// Generalised advantage estimation on ten steps that the reader can change:
// TD errors, the weights (γλ)^k from a chosen step, the n-step estimates that
// GAE averages, and what a termination and a truncation cut.
// Schulman et al. 2016, eq. 14 to 16.
import {
  Explorer, button, choice, clamp, define, format, html, range, scale, signed, slider, svg, ticks,
} from "./kit.js";

// ------------------------------------------------------------- mathematics
// An episode is {rewards, values, lastValue, end, endStep}: `end` is "none",
// "terminated" or "truncated", after step `endStep`. As in the package's
// `Rollout`, values[t + 1] is always V of what followed step t, so after an end
// it belongs to the final observation and the step that starts there is a reset.

/** δ_t = r_t + γ V(s_{t+1}) − V(s_t), with V(s_{t+1}) = 0 after a termination. */
export function tdErrors({ rewards, values, lastValue, end, endStep }, gamma) {
  return rewards.map((reward, t) => {
    const next = t + 1 < values.length ? values[t + 1] : lastValue;
    const bootstrap = end === "terminated" && t === endStep ? 0 : next;
    return reward + gamma * bootstrap - values[t];
  });
}

/** Number of TD errors from step t to the first end or to the record's edge. */
export function horizon({ rewards, end, endStep }, t) {
  return (end !== "none" && t <= endStep ? endStep + 1 : rewards.length) - t;
}

/** Â_t = δ_t + γλ Â_{t+1}, the recursion stopping at an end of either kind. */
export function gae(episode, gamma, lambda) {
  const deltas = tdErrors(episode, gamma);
  const advantages = new Array(deltas.length);
  let following = 0;
  for (let t = deltas.length - 1; t >= 0; t -= 1) {
    const stops = episode.end !== "none" && t === episode.endStep;
    following = deltas[t] + (stops ? 0 : gamma * lambda * following);
    advantages[t] = following;
  }
  return advantages;
}

/** Â_t^(n) = Σ_{k<n} γ^k δ_{t+k} for n = 1 … horizon. */
export function nStepEstimates(episode, gamma, t) {
  const deltas = tdErrors(episode, gamma);
  let sum = 0;
  return range(horizon(episode, t)).map((k) => (sum += gamma ** k * deltas[t + k]));
}

/** The share of each n-step estimate: (1−λ)λ^{n−1}, and λ^{N−1} for the longest. Sums to 1. */
export function nStepShares(count, lambda) {
  return range(count).map((k) => (k === count - 1 ? lambda ** k : (1 - lambda) * lambda ** k));
}

/** Is step t only the reset that follows an end? Its numbers count for nothing. */
export const isReset = ({ end, endStep }, t) => end !== "none" && t === endStep + 1;

/** What the chosen numbers mean, in words. */
export function explain(episode, gamma, lambda, t) {
  const count = horizon(episode, t);
  const last = t + count - 1;
  const ends = episode.end !== "none" && last === episode.endStep;
  const behind = `V(s${subscript(last + 1)})`;
  const tail = ends
    ? episode.end === "terminated"
      ? `The sum stops at step ${last}, and nothing is added behind it: the task is over, so ${behind} counts as 0.`
      : `The sum stops at step ${last}, because what follows is another episode; the future that the clock cut off still counts, as γ${behind} in the last TD error.`
    : `The record's edge after step ${last} works like a truncation: γ${behind} stands for what was not seen.`;
  if (lambda === 0 || count === 1) {
    return `${lambda === 0 ? "λ = 0" : "One step is left"}: the estimate is the TD error δ${subscript(t)} alone. It listens to one reward and trusts the critic for the rest${lambda === 0 ? ": little variance, all of the critic's bias" : ""}. ${count === 1 ? tail : ""}`.trim();
  }
  if (lambda === 1) {
    return `λ = 1: the values in between cancel and the discounted return minus V(s${subscript(t)}) remains: ${ends && episode.end === "terminated" ? "no bias from the critic" : "the critic speaks only at the end"}, but all of the rewards' variance. ${tail}`;
  }
  const reach = 1 / (1 - gamma * lambda);
  return `λ = ${format(lambda)}: each further TD error counts γλ = ${format(gamma * lambda)} times the one before, a reach of about ${format(reach, reach < 9.95 ? 1 : 0)} steps. ${tail}`;
}

export const subscript = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

// ----------------------------------------------------------------- drawing

const LOW = -1;
const HIGH = 2;
const SNAP = 0.1;

class GaeExplorer extends Explorer {
  static style = `
    .dot, .bar-handle { cursor: ns-resize; touch-action: none; }
    .column { cursor: pointer; }
    .controls { grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); }
    .quick { display: flex; gap: 8px; }
    .quick button { flex: 1; padding: 6px 8px; }
    th, td { padding: 2px 3px; text-align: center; font-weight: 400; min-width: 58px; }
    th:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); min-width: 62px; z-index: 1; }
    thead th { color: var(--muted); }
    td input { width: 56px; min-height: 40px; font: inherit; font-size: 14px; text-align: center; color: inherit;
      background: var(--wash); border: 1px solid var(--line); border-radius: 6px; }
    .chosen { background: color-mix(in srgb, var(--new) 14%, transparent); }
    .result { font-variant-numeric: tabular-nums; }
    .end { display: flex; flex-wrap: wrap; gap: 4px 28px; align-items: end; margin-bottom: 10px; }
    .end .choice { flex: 2 1 280px; } .end .control { flex: 1 1 170px; }
  `;

  build(root) {
    const options = this.options;
    this.episode = {
      rewards: options.rewards, values: options.values, lastValue: options.last_value,
      end: options.end, endStep: options.end_step,
    };
    this.gamma = options.gamma;
    this.lambda = options.gae_lambda;
    this.step = options.step;
    const count = this.episode.rewards.length;
    this.controls = {
      gamma: slider({
        name: "Discount", symbol: "γ", min: 0, max: 1, step: 0.01, value: this.gamma,
        show: (value) => format(value), onInput: (value) => this.set({ gamma: value }), part: "gamma",
      }),
      lambda: slider({
        name: "Trace", symbol: "λ", min: 0, max: 1, step: 0.01, value: this.lambda,
        show: (value) => format(value), onInput: (value) => this.set({ lambda: value }), part: "lambda",
      }),
      step: slider({
        name: "Advantage of step", symbol: "t", min: 0, max: count - 1, step: 1, value: this.step,
        show: (value) => String(value), onInput: (value) => this.set({ step: value }), part: "step",
      }),
      end: choice({
        legend: "How the episode goes on", value: this.episode.end,
        options: [["none", "No end"], ["terminated", "Terminated"], ["truncated", "Truncated"]],
        onChange: (end) => this.change({ end }),
      }),
      endStep: slider({
        name: "Last step of the episode", min: 0, max: count - 1, step: 1, value: this.episode.endStep,
        show: (value) => String(value), onInput: (endStep) => this.change({ endStep }), part: "end-step",
      }),
    };
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.canvas = svg("svg", {
      role: "img",
      pointerdown: (event) => this.onPointer(event), pointermove: (event) => this.onPointer(event),
      pointerup: (event) => this.onPointer(event), pointercancel: () => { this.drag = null; },
    });
    this.table = html("table", {});
    this.buildTable();
    root.append(
      html(
        "div",
        { class: "frame", role: "group", "aria-label": "GAE explorer" },
        html("p", { class: "title" }, "From TD errors to an advantage"),
        html("p", { class: "hint" }, "Move λ. Drag a reward bar or a value dot. Press a column to choose the step t."),
        html(
          "div", { class: "controls" }, this.controls.lambda, this.controls.gamma, this.controls.step,
          html("div", { class: "quick" },
            button("λ = 0", () => this.set({ lambda: 0 }), { part: "lambda-zero", "aria-label": "Set λ to 0: the TD error" }),
            button("λ = 1", () => this.set({ lambda: 1 }), { part: "lambda-one", "aria-label": "Set λ to 1: return minus value" })),
        ),
        html("div", { class: "end" }, this.controls.end, this.controls.endStep),
        this.canvas,
        this.say,
        html("details", {}, html("summary", {}, "All numbers, to read and to edit"), html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of all numbers" }, this.table)),
      ),
    );
    this.refresh();
  }

  buildTable() {
    const { rewards, values } = this.episode;
    const count = rewards.length;
    const field = (label, value, onChange) => {
      const input = html("input", {
        type: "number", step: SNAP, min: -9, max: 9, value, "aria-label": label,
        input: () => { if (input.value !== "" && input.checkValidity() | input.validity.stepMismatch) onChange(Number(input.value)); },
      });
      return input;
    };
    this.fields = {
      rewards: range(count).map((t) => field(`reward of step ${t}`, rewards[t], (value) => this.edit("rewards", t, value))),
      values: range(count + 1).map((t) =>
        field(`value of state ${t}`, t < count ? values[t] : this.episode.lastValue, (value) => this.edit("values", t, value))),
    };
    this.cells = { deltas: range(count).map(() => html("td", {})), advantages: range(count).map(() => html("td", {})) };
    const row = (name, cells) => html("tr", {}, html("th", { scope: "row" }, name), cells);
    const wrap = (inputs) => inputs.map((input) => html("td", {}, input));
    this.table.append(
      html("caption", { class: "visually-hidden" }, "Rewards, values, TD errors and advantages of every step"),
      html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "step t"), range(count + 1).map((t) => html("th", { scope: "col" }, String(t))))),
      html("tbody", {}, row("rₜ", wrap(this.fields.rewards)), row("V(sₜ)", wrap(this.fields.values)),
        row("δₜ", this.cells.deltas), row("Âₜ", this.cells.advantages)),
    );
  }

  set(changes) {
    Object.assign(this, changes);
    if (isReset(this.episode, this.step)) this.step = this.episode.endStep;
    this.controls.gamma.set(this.gamma);
    this.controls.lambda.set(this.lambda);
    this.controls.step.set(this.step);
    this.refresh();
    this.redraw();
  }

  change(changes) {
    Object.assign(this.episode, changes);
    this.set({});
  }

  edit(kind, t, value) {
    const { rewards, values } = this.episode;
    if (kind === "rewards") rewards[t] = value;
    else if (t < values.length) values[t] = value;
    else this.episode.lastValue = value;
    this.set({});
  }

  refresh() {
    const { episode, gamma, lambda, step } = this;
    const deltas = tdErrors(episode, gamma);
    const advantages = gae(episode, gamma, lambda);
    const count = deltas.length;
    this.controls.endStep.hidden = episode.end === "none";
    this.controls.endStep.style.visibility = episode.end === "none" ? "hidden" : "visible";
    const sentence = explain(episode, gamma, lambda, step);
    const result = `Â${subscript(step)} = ${signed(advantages[step])}`;
    this.say.replaceChildren(html("strong", { class: "result" }, `${result}.`), ` ${sentence}`);
    this.canvas.setAttribute("aria-label",
      `Rewards, values, TD errors and n-step estimates. ${result}. The same numbers stand in the table below.`);
    const write = (input, value) => {
      if (this.shadowRoot.activeElement !== input) input.value = String(Math.round(value * 100) / 100);
    };
    episode.rewards.forEach((value, t) => write(this.fields.rewards[t], value));
    [...episode.values, episode.lastValue].forEach((value, t) => write(this.fields.values[t], value));
    for (const t of range(count)) {
      const reset = isReset(episode, t);
      this.cells.deltas[t].textContent = reset ? "reset" : signed(deltas[t]);
      this.cells.advantages[t].textContent = reset ? "–" : signed(advantages[t]);
      for (const cell of [this.cells.deltas[t], this.cells.advantages[t]]) cell.classList.toggle("chosen", t === step);
    }
  }

  onPointer(event) {
    const box = this.canvas.getBoundingClientRect();
    const px = event.clientX - box.left;
    const py = event.clientY - box.top;
    const count = this.episode.rewards.length;
    if (event.type === "pointerdown") {
      const column = clamp(Math.floor((px - this.left) / this.pitch), 0, count);
      const handle = event.target.closest?.("[data-kind]");
      this.drag = { column, y: py, kind: handle?.dataset.kind, t: Number(handle?.dataset.t), moved: false };
      if (handle) this.canvas.setPointerCapture(event.pointerId);
    } else if (event.type === "pointermove" && this.drag?.kind) {
      if (Math.abs(py - this.drag.y) > 3) this.drag.moved = true;
      if (this.drag.moved) {
        const value = clamp(Math.round(this.valueAxis.invert(py) / SNAP) * SNAP, LOW, HIGH);
        this.edit(this.drag.kind, this.drag.t, value);
      }
    } else if (event.type === "pointerup") {
      if (this.drag && !this.drag.moved && this.drag.column < count) this.set({ step: this.drag.column });
      this.drag = null;
    }
  }

  draw(width) {
    const { episode, gamma, lambda, step } = this;
    const count = episode.rewards.length;
    const narrow = width < 460;
    const left = (this.left = narrow ? 30 : 40);
    const right = width - 2;
    const pitch = (this.pitch = (right - left) / (count + 1));
    const centre = (t) => left + (t + 0.5) * pitch;
    const bar = Math.min(22, pitch * 0.5);
    const deltas = tdErrors(episode, gamma);
    const advantages = gae(episode, gamma, lambda);
    const steps = horizon(episode, step);
    const weights = range(count).map((t) => (t >= step && t < step + steps ? (gamma * lambda) ** (t - step) : 0));
    const estimates = nStepEstimates(episode, gamma, step);
    const shares = nStepShares(steps, lambda);
    const parts = [];
    const text = (px, py, anchor, className, ...content) =>
      svg("text", { x: px, y: py, "text-anchor": anchor, class: className }, ...content);
    const horizontal = (y, className) => svg("line", { x1: left, x2: right, y1: y, y2: y, class: className });
    const dim = (t) => (isReset(episode, t) ? 0.3 : t < step || t >= step + steps ? 0.45 : 1);

    // Rows: rewards and values; TD errors; n-step estimates.
    const rows = { top: 46, middle: 0, bottom: 0 };
    const firstHeight = 108;
    rows.middle = rows.top + firstHeight + 80;
    const secondHeight = 104;
    rows.bottom = rows.middle + secondHeight + 62;
    const thirdHeight = 104;
    const height = rows.bottom + thirdHeight + 26;
    this.canvas.setAttribute("height", height);

    // The chosen step, through all rows; the end of the episode.
    parts.push(svg("rect", { x: left + step * pitch + 1, width: pitch - 2, y: 4, height: height - 6, rx: 5, fill: "color-mix(in srgb, var(--new) 13%, transparent)" }));
    for (const t of range(count)) {
      parts.push(svg("rect", { class: "column", x: left + t * pitch, width: pitch, y: 0, height, fill: "transparent" }));
      parts.push(text(centre(t), rows.top + firstHeight + 18, "middle", "axis", t === step ? svg("tspan", { "font-weight": 700, fill: "currentColor" }, narrow ? `${t}` : `t = ${t}`) : `${t}`));
    }
    parts.push(text(centre(count), rows.top + firstHeight + 18, "middle", "axis", narrow ? "" : "after"));
    if (episode.end !== "none") {
      const edge = left + (episode.endStep + 1) * pitch;
      parts.push(svg("line", { x1: edge, x2: edge, y1: 26, y2: height - 22, stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": episode.end === "truncated" ? "6 5" : null }));
      const before = episode.endStep > count / 2;
      parts.push(text(edge + (before ? -6 : 6), 36, before ? "end" : "start", "halo", svg("tspan", { "font-weight": 650 }, episode.end)));
      if (episode.endStep + 1 < count && !narrow) parts.push(text(centre(episode.endStep + 1), rows.middle + secondHeight / 2 - 6, "middle", "axis", "reset"));
    }

    // Rewards and values.
    const values = (this.valueAxis = scale([LOW, HIGH], [rows.top + firstHeight, rows.top]));
    parts.push(text(left - (narrow ? 28 : 38), 16, "start", null,
      svg("tspan", { "font-weight": 650 }, "Rewards"), " (bars), ", svg("tspan", { "font-weight": 650, fill: "var(--new-text)" }, "values"), " (dots)"));
    parts.push([-1, 0, 1, 2].map((tick) => [horizontal(values(tick), tick === 0 ? "baseline" : "gridline"), text(left - 6, values(tick) + 4, "end", "axis", format(tick, 0))]));
    episode.rewards.forEach((reward, t) => {
      parts.push(svg("rect", { x: centre(t) - bar / 2, width: bar, y: Math.min(values(0), values(reward)), height: Math.max(1.5, Math.abs(values(reward) - values(0))), fill: "var(--old)", opacity: isReset(episode, t) ? 0.25 : 0.75 }));
    });
    const allValues = [...episode.values, episode.lastValue];
    const path = allValues.map((value, t) => `${t === 0 || (episode.end !== "none" && t === episode.endStep + 2) ? "M" : "L"}${centre(t)} ${values(value)}`).join("");
    parts.push(svg("path", { d: path, fill: "none", stroke: "var(--new)", "stroke-width": 1.5, opacity: 0.55 }));
    allValues.forEach((value, t) => {
      const ignored = episode.end === "terminated" && t === episode.endStep + 1;
      parts.push(svg("circle", { cx: centre(t), cy: values(value), r: 5, fill: t === count || isReset(episode, t) ? "var(--paper)" : "var(--new)", stroke: "var(--new)", "stroke-width": 2, opacity: ignored ? 0.35 : 1 }));
      if (ignored) parts.push(text(centre(t), values(value) - 10, "middle", "halo axis", narrow ? "0" : "counts 0"));
    });
    // Handles last, values above rewards, each as tall as a finger needs.
    episode.rewards.forEach((reward, t) => {
      parts.push(svg("rect", { class: "bar-handle", "data-kind": "rewards", "data-t": t, x: centre(t) - pitch / 2, width: pitch, y: values(reward) - 16, height: 32, fill: "transparent" }));
    });
    allValues.forEach((value, t) => {
      parts.push(svg("rect", { class: "dot", "data-kind": "values", "data-t": t, x: centre(t) - pitch / 2, width: pitch, y: values(value) - 13, height: 26, fill: "transparent" }));
    });

    // TD errors: the outline is δ, the filled part is what step t takes of it.
    const reach = Math.max(1, ...deltas.map((delta, t) => (isReset(episode, t) ? 0 : Math.abs(delta)))) * 1.12;
    const delta = scale([-reach, reach], [rows.middle + secondHeight, rows.middle]);
    parts.push(text(left - (narrow ? 28 : 38), rows.middle - 30, "start", "halo",
      svg("tspan", { "font-weight": 650 }, "TD errors δ"), narrow ? ", filled: the part taken" : `, filled: the part (γλ)ᵏ that the advantage of step ${step} takes`));
    parts.push([-1, 0, 1].map((tick) => [horizontal(delta(tick), tick === 0 ? "baseline" : "gridline"), text(left - 6, delta(tick) + 4, "end", "axis", format(tick, 0))]));
    deltas.forEach((value, t) => {
      if (isReset(episode, t)) return;
      const colour = value >= 0 ? "var(--good)" : "var(--bad)";
      const rect = (size, attributes) => svg("rect", { x: centre(t) - bar / 2, width: bar, y: Math.min(delta(0), delta(size)), height: Math.abs(delta(size) - delta(0)), ...attributes });
      parts.push(rect(value, { fill: "none", stroke: colour, "stroke-width": 1.5, opacity: dim(t) }));
      parts.push(rect(value * weights[t], { fill: colour }));
      if (weights[t] > 0) {
        const label = weights[t] > 0.9949 ? "1" : weights[t] < 0.005 ? "0" : weights[t].toFixed(2).replace(/^0/, "");
        parts.push(text(centre(t), rows.middle - 8, "middle", "axis", label));
      }
    });
    if (!narrow) parts.push(text(left - 6, rows.middle - 8, "end", "axis", "(γλ)ᵏ"));

    // The n-step estimates, each under the last TD error that it uses.
    const span = Math.max(1, ...estimates.map(Math.abs)) * 1.15;
    const estimate = scale([-span, span], [rows.bottom + thirdHeight, rows.bottom]);
    parts.push(text(left - (narrow ? 28 : 38), rows.bottom - 28, "start", "halo",
      svg("tspan", { "font-weight": 650 }, "n-step estimates"), narrow ? ", disc: their share in %" : `, disc: their share in Â${subscript(step)}`));
    parts.push(ticks(-span, span, 4).map((tick) => [horizontal(estimate(tick), tick === 0 ? "baseline" : "gridline"), text(left - 6, estimate(tick) + 4, "end", "axis", format(tick, Number.isInteger(tick) ? 0 : 1))]));
    const level = estimate(advantages[step]);
    parts.push(svg("path", { d: `M${estimates.map((value, k) => `${centre(step + k)} ${estimate(value)}`).join("L")}`, fill: "none", stroke: "var(--old)", "stroke-width": 1 }));
    parts.push(svg("line", { x1: left + step * pitch, x2: right, y1: level, y2: level, stroke: "var(--new)", "stroke-width": 2.5 }));
    estimates.forEach((value, k) => {
      parts.push(svg("circle", { cx: centre(step + k), cy: estimate(value), r: 2 + 13 * Math.sqrt(shares[k]), fill: "color-mix(in srgb, var(--old) 45%, transparent)", stroke: "var(--old)", "stroke-width": 1.2 }));
      const share = Math.round(shares[k] * 100);
      if (!narrow || share >= 5 || k === 0) parts.push(text(centre(step + k), rows.bottom - 8, "middle", "axis", narrow ? `${share}` : `${share} %`));
      if (!narrow || k === 0 || k === steps - 1) parts.push(text(centre(step + k), height - 6, "middle", "axis", `n=${k + 1}`));
    });
    const onBaseline = Math.abs(level + 13 - estimate(0)) < 9;
    const below = estimates.at(-1) > advantages[step] && !onBaseline;
    parts.push(text(right, level + (below ? 17 : -8), "end", "halo", svg("tspan", { "font-weight": 650, fill: "var(--new-text)" }, `Â${subscript(step)} = ${signed(advantages[step])}`)));
    this.canvas.replaceChildren(...parts.flat(3).filter(Boolean));
  }
}

define("anatomy-gae-explorer", GaeExplorer);
