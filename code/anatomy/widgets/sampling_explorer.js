// The next token's distribution under temperature, top-k and top-p, and draws from it.
import {
  Explorer, button, choice, define, format, html, range, scale, slider, svg,
} from "./kit.js";

// ------------------------------------------------------------- mathematics

/** softmax(logits); −Infinity gives 0. */
export function softmax(logits) {
  const top = Math.max(...logits);
  const weights = logits.map((z) => Math.exp(z - top));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** Keep the k largest and what equals the last of them; null keeps all. */
export function topK(logits, k) {
  if (k === null || k >= logits.length) return logits;
  const smallest = [...logits].sort((a, b) => b - a)[k - 1];
  return logits.map((z) => (z < smallest ? -Infinity : z));
}

/** Keep the fewest tokens whose probabilities reach p. */
export function topP(logits, p) {
  if (p >= 1) return logits;
  const probabilities = softmax(logits);
  const order = range(logits.length).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const kept = new Set();
  let before = 0;
  for (const token of order) {
    if (before >= p) break;
    kept.add(token);
    before += probabilities[token];
  }
  return logits.map((z, token) => (kept.has(token) ? z : -Infinity));
}

/** Temperature, then top-k, then top-p of what is left: probabilities. */
export function filtered(logits, temperature, k, p) {
  return softmax(topP(topK(logits.map((z) => z / temperature), k), p));
}

/** The first token whose cumulative probability exceeds a uniform number. */
export function drawToken(probabilities, uniform) {
  let sum = 0;
  for (let token = 0; token < probabilities.length; token += 1) {
    sum += probabilities[token];
    if (sum > uniform) return token;
  }
  return probabilities.lastIndexOf(Math.max(...probabilities));
}

/** −Σ p log₂ p. */
export const entropyBits = (probabilities) =>
  probabilities.reduce((sum, p) => sum - (p > 0 ? p * Math.log2(p) : 0), 0);

/** mulberry32: uniform numbers in [0, 1), the same for a seed. */
export function uniforms(seed, count) {
  let state = seed >>> 0;
  return range(count).map(() => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  });
}

// ----------------------------------------------------------------- drawing

const SHOWN = 12;
const DRAWS = 24;
const KS = [1, 2, 3, 5, 10, 20, 50, null];

class SamplingExplorer extends Explorer {
  static style = `
    .begin { margin: 10px 0 4px; padding: 8px 12px; background: var(--wash); border-radius: 8px; min-height: 2.6em;
      font-family: var(--pst-font-family-monospace, var(--jp-code-font-family, monospace)); font-size: 14px; }
    .begin b { color: var(--new-text); }
    .strip { display: flex; flex-wrap: wrap; gap: 5px 4px; margin: 8px 0 0; min-height: 92px; align-content: flex-start; }
    .strip span { border: 1px solid var(--line); border-radius: 5px; padding: 1px 7px; font-size: 14px; }
    .strip span.rare { border-color: var(--bad); color: var(--bad-text); border-style: dashed; }
    .keys { flex-wrap: wrap; } .say { min-height: 4.4em; }
    @container (max-width: 420px) { .keys label { flex: 1 0 100%; } .keys label + label { border-left: 0; border-top: 1px solid var(--line); }
      .say { min-height: 7.3em; } }
  `;

  build(root) {
    const { examples, beginning, temperature, top_k: k, top_p: p, seed } = this.options;
    Object.assign(this, { examples, beginning, temperature, k, p, seed });
    this.controls = {
      beginning: choice({
        legend: "Beginning", options: examples.map(({ name }, index) => [String(index), name]), value: String(beginning),
        onChange: (key) => this.set({ beginning: Number(key) }),
      }),
      temperature: slider({ name: "Temperature", symbol: "τ", min: 0.1, max: 2, step: 0.1, value: temperature,
        show: (value) => format(value, 1), onInput: (value) => this.set({ temperature: value }), part: "temperature" }),
      k: slider({ name: "Top-k", min: 0, max: KS.length - 1, step: 1, value: this.placeOf(k),
        show: (place) => (KS[place] === null ? "all" : String(KS[place])),
        onInput: (place) => this.set({ k: KS[place] }), part: "top-k" }),
      p: slider({ name: "Top-p", min: 0.05, max: 1, step: 0.05, value: p,
        show: (value) => (value >= 1 ? "1 (all)" : format(value)), onInput: (value) => this.set({ p: value }), part: "top-p" }),
    };
    this.begin = html("p", { class: "begin" });
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.strip = html("div", { class: "strip", role: "img" });
    this.canvas = svg("svg", { role: "img" });
    root.append(
      html("div", { class: "frame", role: "group", "aria-label": "Sampling explorer" },
        html("p", { class: "title" }, "What comes next, and with what probability"),
        html("p", { class: "hint" }, "Outline: softmax at this temperature. Filled: what is drawn from after the cuts."),
        this.controls.beginning, this.begin,
        html("div", { class: "controls" }, this.controls.temperature, this.controls.k, this.controls.p),
        this.canvas, this.say,
        html("div", { class: "buttons", style: "margin-top:10px" },
          button(`Draw ${DRAWS} again`, () => this.set({ seed: this.seed + 1 }), { part: "draw" }),
          button("Back to τ = 1, no cut", () => this.set({ temperature: 1, k: null, p: 1 }), { part: "reset" })),
        this.strip),
    );
    this.set({});
  }

  placeOf(k) {
    const place = KS.findIndex((value) => k !== null && value !== null && value >= k);
    return place < 0 ? KS.length - 1 : place;
  }

  set(changes) {
    Object.assign(this, changes);
    this.controls.temperature.set(this.temperature);
    this.controls.k.set(this.placeOf(this.k));
    this.controls.p.set(this.p);
    this.refresh();
    this.redraw();
  }

  refresh() {
    const { vocabulary } = this.options;
    const { text, logits } = this.examples[this.beginning];
    this.before = softmax(logits.map((z) => z / this.temperature));
    this.after = filtered(logits, this.temperature, this.k, this.p);
    this.order = range(logits.length).sort((a, b) => this.before[b] - this.before[a] || a - b);
    this.begin.replaceChildren(`${text} `, html("b", {}, "…?"));
    const kept = this.after.filter((p) => p > 0).length;
    const mass = this.before.reduce((sum, p, token) => sum + (this.after[token] > 0 ? p : 0), 0);
    const first = this.order[0];
    const much = kept === logits.length ? "All" : `${kept} of`;
    this.say.replaceChildren(
      html("strong", { class: "result" }, `${much} ${logits.length} tokens can be drawn. `),
      `${kept === logits.length ? "Nothing is cut off" : `They held ${format(100 * mass, 1)} % of the probability`}; `,
      `“${vocabulary[first]}” now has ${format(100 * this.after[first], 1)} %. `,
      `Entropy ${format(entropyBits(this.after))} bits: as undecided as among ${format(2 ** entropyBits(this.after), 1)} equally likely tokens.`);
    const drawn = uniforms(1000 * this.seed + 7, DRAWS).map((u) => drawToken(this.after, u));
    const rare = (token) => this.before[token] < 0.01;
    this.strip.replaceChildren(...drawn.map((token) => html("span", { class: rare(token) ? "rare" : null,
      title: `${format(100 * this.after[token], 2)} %` }, vocabulary[token])));
    this.strip.setAttribute("aria-label", `${DRAWS} draws: ${drawn.map((token) => vocabulary[token]).join(", ")}`);
    this.canvas.setAttribute("aria-label", `Probabilities of the next token: ${this.order.slice(0, 5).map((token) =>
      `${vocabulary[token]} ${format(100 * this.after[token], 1)} %`).join(", ")}`);
  }

  draw(width) {
    const { vocabulary } = this.options;
    const label = width < 460 ? 74 : 96;
    const end = 56;
    const line = 24;
    const top = 8;
    const x = scale([0, 1], [label, width - end]);
    const rest = this.order.slice(SHOWN);
    const sum = (values, tokens) => tokens.reduce((total, token) => total + values[token], 0);
    const rows = this.order.slice(0, SHOWN).map((token) => [vocabulary[token], this.before[token], this.after[token]]);
    rows.push([`${rest.length} others`, sum(this.before, rest), sum(this.after, rest)]);
    const largest = Math.max(...rows.flatMap(([, before, after]) => [before, after]));
    const size = (value) => x(value / largest) - label;
    const parts = rows.flatMap(([word, before, after], index) => {
      const y = top + index * line;
      const cut = after === 0;
      return [
        svg("text", { x: label - 8, y: y + 16, "text-anchor": "end", class: index === SHOWN ? "axis" : null, opacity: cut ? 0.6 : null }, word),
        svg("rect", { x: label, y: y + 3, width: size(after), height: line - 7, fill: "var(--new)", opacity: index === SHOWN ? 0.5 : 0.9 }),
        svg("rect", { x: label, y: y + 3, width: Math.max(0.5, size(before)), height: line - 7, fill: "none", stroke: "currentColor", "stroke-width": 1.2,
          "stroke-dasharray": cut ? "3 3" : null, opacity: cut ? 0.6 : 0.8 }),
        svg("text", { x: label + Math.max(size(after), size(before)) + 6, y: y + 16, class: "axis" }, cut ? "cut" : `${format(100 * after, after < 0.1 ? 1 : 0)} %`),
      ];
    });
    this.canvas.setAttribute("height", top + rows.length * line + 6);
    this.canvas.replaceChildren(...parts);
  }
}

define("anatomy-sampling-explorer", SamplingExplorer);
