// Importance sampling over sequences: how many of N weighted samples still count
// when the weight is a product of T ratios. Each step is a draw from N(0, 1),
// weighted to N(d, 1): log w = d·x − d²/2, so E[w²] = exp(d²) per step and the
// effective share of T steps is exp(−T d²), exactly.
import { Explorer, clamp, define, format, html, range, scale, slider, svg } from "./kit.js";

// ------------------------------------------------------------- mathematics

/** 1 / E[w²] = exp(−T d²): the share of the samples that still counts. */
export const exactShare = (shift, steps) => Math.exp(-steps * shift * shift);

/** (Σw)² / (N Σw²) from log-weights, safe for large ones. */
export function effectiveShare(logWeights) {
  const top = Math.max(...logWeights);
  let sum = 0;
  let squares = 0;
  for (const logWeight of logWeights) {
    const weight = Math.exp(logWeight - top);
    sum += weight;
    squares += weight * weight;
  }
  return (sum * sum) / (squares * logWeights.length);
}

/** Uniform numbers in (0, 1) from a seed (mulberry32). */
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (((bits ^ (bits >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

/** Running sums x_1 + … + x_T of standard normal draws, for `count` sequences. */
export function simulate(count, length, seed) {
  const uniform = uniforms(seed);
  return range(count).map(() => {
    let sum = 0;
    return range(length).map(() => {
      // Box–Muller; the second normal is not used.
      sum += Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
      return sum;
    });
  });
}

/** log w of every sequence after `steps` steps. */
export const logWeights = (sums, shift, steps) =>
  sums.map((sequence) => shift * sequence[steps - 1] - (steps * shift * shift) / 2);

// ----------------------------------------------------------------- drawing

const LENGTH = 256;
const SAMPLES = 1000;
const SHOWN = 60;

const percent = (share) => (share >= 0.995 && share < 0.9995 ? `${format(share * 100, 1)} %` : share >= 0.0995 ? `${Math.round(share * 100)} %` : share >= 0.00095 ? `${format(share * 100, 1)} %` : "under 0.1 %");

class ImportanceExplorer extends Explorer {
  static style = `
    .panels { display: grid; grid-template-columns: 1fr; }
  `;

  build(root) {
    const { shift = 0.1, length = 64, seed = 0 } = this.options;
    Object.assign(this, { shift, length });
    this.sums = simulate(SAMPLES, LENGTH, seed);
    this.controls = {
      shift: slider({
        name: "Distance per step", symbol: "d", min: 0, max: 0.5, step: 0.01, value: shift,
        show: (value) => format(value), onInput: (value) => this.set({ shift: value }), part: "shift",
      }),
      length: slider({
        name: "Sequence length", symbol: "T", min: 1, max: LENGTH, step: 1, value: length,
        show: (value) => String(value), onInput: (value) => this.set({ length: value }), part: "length",
      }),
    };
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.canvas = svg("svg", {
      role: "img",
      pointerdown: (event) => this.onPointer(event), pointermove: (event) => this.onPointer(event),
      pointerup: () => { this.dragging = false; }, pointercancel: () => { this.dragging = false; },
    });
    root.append(
      html(
        "div",
        { class: "frame", role: "group", "aria-label": "Importance sampling explorer" },
        html("p", { class: "title" }, "What is left of 1,000 samples"),
        html("p", { class: "hint" }, "Two policies that hardly differ in one step, and a weight that multiplies one ratio per step."),
        html("div", { class: "controls" }, this.controls.shift, this.controls.length),
        this.canvas,
        this.say,
      ),
    );
    this.refresh();
  }

  set(changes) {
    Object.assign(this, changes);
    this.controls.shift.set(this.shift);
    this.controls.length.set(this.length);
    this.refresh();
    this.redraw();
  }

  onPointer(event) {
    const box = this.canvas.getBoundingClientRect();
    if (event.type === "pointerdown") {
      if (event.clientY - box.top < this.curveTop) return;
      this.dragging = true;
      this.canvas.setPointerCapture(event.pointerId);
    }
    if (this.dragging) this.set({ length: clamp(Math.round(this.x.invert(event.clientX - box.left)), 1, LENGTH) });
  }

  refresh() {
    const { shift, length } = this;
    const share = exactShare(shift, length);
    const single = exactShare(shift, 1);
    const worth = SAMPLES * share;
    const count = worth >= 1 ? `about ${Math.round(worth).toLocaleString("en-US")}` : "less than one";
    const missed = share < 0.05 ? " The circles lie too high there: 1,000 sequences hardly ever contain the few that weigh most." : "";
    const sentence = shift === 0
      ? "The policies are equal: every weight is 1 and every sample counts."
      : `One ratio for a whole sequence of ${length} ${length === 1 ? "step" : "steps"}: 1,000 sequences are worth ${count}. One ratio per step keeps ${percent(single)}. Hence PPO weighs each token by its own ratio, and takes only a few epochs, so that d stays small.${missed}`;
    if (this.say.textContent !== sentence) this.say.textContent = sentence;
    this.canvas.setAttribute("aria-label", `Effective sample share against sequence length. At T = ${length}: ${percent(share)}.`);
  }

  draw(width) {
    const { shift, length } = this;
    const narrow = width < 520;
    const parts = [];
    const text = (px, py, anchor, className, ...content) =>
      svg("text", { x: px, y: py, "text-anchor": anchor, class: className }, ...content);
    const bold = (words, fill) => svg("tspan", { "font-weight": 650, fill }, words);
    const curve = (points, attributes) => svg("path", { d: `M${points.map((point) => point.join(" ")).join("L")}`, fill: "none", ...attributes });

    // One step: two densities.
    const upper = 96;
    const half = narrow ? width : width * 0.4;
    {
      const x = scale([-3.4, 3.9], [4, half - 4]);
      const y = scale([0, 0.42], [30 + upper, 34]);
      const density = (mean) => range(74).map((i) => { const v = -3.4 + i * 0.1; return [x(v), y(Math.exp(-((v - mean) ** 2) / 2) / Math.sqrt(2 * Math.PI))]; });
      parts.push(text(4, 16, "start", null, bold("One step: "), bold("old", "var(--old-text)"), " and ", bold("new", "var(--new-text)"), " policy"));
      parts.push(svg("line", { x1: x(-3.4), x2: x(3.9), y1: y(0), y2: y(0), class: "baseline" }));
      parts.push(curve(density(0), { stroke: "var(--old)", "stroke-width": 2.5, "stroke-dasharray": "6 4" }));
      parts.push(curve(density(shift), { stroke: "var(--new)", "stroke-width": 2.5 }));
      parts.push(text(x(0) - 4, y(0) + 16, "end", "axis", "0"), text(x(shift) + 4, y(0) + 16, "start", "axis", `d = ${format(shift)}`));
      parts.push(svg("line", { x1: x(0), x2: x(0), y1: y(0), y2: y(0) + 5, stroke: "var(--old)" }), svg("line", { x1: x(shift), x2: x(shift), y1: y(0), y2: y(0) + 5, stroke: "var(--new)" }));
    }

    // Whose weight is it? Sixty of the sequences.
    const weightTop = narrow ? 166 : 0;
    const weightLeft = narrow ? 4 : half + 28;
    {
      const logs = logWeights(this.sums.slice(0, SHOWN), shift, length);
      const top = Math.max(...logs);
      const raw = logs.map((value) => Math.exp(value - top));
      const sum = raw.reduce((a, b) => a + b, 0);
      const shares = raw.map((value) => value / sum);
      const largest = Math.max(...shares);
      const base = weightTop + 30 + upper;
      const y = scale([0, Math.max(largest, 3 / SHOWN)], [base, weightTop + 34]);
      const pitch = (width - 4 - weightLeft) / SHOWN;
      parts.push(text(weightLeft, weightTop + 16, "start", null, bold(`${SHOWN} sequences`), width < 660 ? `, the heaviest: ${percent(largest)} of all` : `: the heaviest has ${percent(largest)} of the weight`));
      parts.push(svg("line", { x1: weightLeft, x2: width - 4, y1: base, y2: base, class: "baseline" }));
      shares.forEach((value, index) => parts.push(svg("rect", {
        x: weightLeft + index * pitch + 0.6, width: Math.max(1, pitch - 1.2), y: y(value), height: base - y(value),
        fill: value === largest && shift > 0 ? "var(--bad)" : "var(--new)", opacity: value === largest && shift > 0 ? 1 : 0.65 })));
      parts.push(svg("line", { x1: weightLeft, x2: width - 4, y1: y(1 / SHOWN), y2: y(1 / SHOWN), stroke: "currentColor", "stroke-dasharray": "3 4" }));
      parts.push(text(width - 4, base + 16, "end", "axis", "dashed: equal weights"));
    }

    // The effective share against length.
    const topEdge = (this.curveTop = (narrow ? weightTop : 0) + upper + 86);
    const bottom = topEdge + 190;
    const left = 46;
    const right = width - 14;
    const x = (this.x = scale([0, LENGTH], [left, right]));
    const y = scale([0, 1], [bottom, topEdge]);
    this.canvas.setAttribute("height", bottom + 44);
    parts.push(text(4, topEdge - 14, "start", null, bold("Effective share of the samples"), narrow ? "" : ", ESS/N"));
    parts.push([0, 0.25, 0.5, 0.75, 1].map((tick) => [
      svg("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: tick === 0 ? "baseline" : "gridline" }),
      text(left - 8, y(tick) + 4, "end", "axis", `${tick * 100} %`)]));
    parts.push([1, 64, 128, 192, 256].map((tick) => text(x(tick), bottom + 18, "middle", "axis", String(tick))));
    parts.push(text((left + right) / 2, bottom + 36, "middle", "axis", "sequence length T"));
    const exact = range(LENGTH).map((t) => [x(t + 1), y(exactShare(shift, t + 1))]);
    for (let t = 4; t <= LENGTH; t += 12) {
      const share = effectiveShare(logWeights(this.sums, shift, t));
      parts.push(svg("circle", { cx: x(t), cy: y(share), r: 3.4, fill: "var(--paper)", stroke: "var(--old)", "stroke-width": 1.8 }));
    }
    parts.push(curve(exact, { stroke: "var(--new)", "stroke-width": 3, "stroke-linejoin": "round" }));
    const share = exactShare(shift, length);
    // Names where the plot is empty: above the curve on the right, or below it when it stays high.
    const high = exactShare(shift, LENGTH) > 0.55;
    const nameY = high ? y(0.28) : y(0.88);
    parts.push(
      svg("line", { x1: x(length), x2: x(length), y1: y(share), y2: bottom, stroke: "var(--new)", "stroke-dasharray": "3 3" }),
      text(right, nameY, "end", "halo", bold("exact: exp(−T d²)", "var(--new-text)")),
      text(right, nameY + 20, "end", "halo", svg("tspan", { fill: "var(--muted)" }, "○ simulated, 1,000 sequences")),
      svg("circle", { cx: x(length), cy: y(share), r: 8, fill: "var(--new)", stroke: "var(--paper)", "stroke-width": 2.5 }),
    );
    const after = x(length) < left + (right - left) * 0.62;
    parts.push(text(x(length) + (after ? 14 : -14), y(share) + (high ? 22 : share < 0.12 ? -14 : after ? -8 : -14), after ? "start" : "end", "halo", bold(`T = ${length}: ${percent(share)}`)));
    this.canvas.replaceChildren(...parts.flat(3).filter(Boolean));
  }
}

define("anatomy-importance-explorer", ImportanceExplorer);
