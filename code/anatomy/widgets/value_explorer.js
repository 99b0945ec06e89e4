// The value of every place of a gridworld: γ to turn, sweeps of value iteration to
// make one by one, and the backup of one place with its numbers.
// Bellman 1957; Sutton & Barto 2018, section 4.4.
import {
  Explorer, button, clamp, define, format, html, range, slider, svg,
} from "./kit.js";

// ------------------------------------------------------------- mathematics
// A world is {outcomes, terminal, …}: outcomes[s][a] is a list of [P, s', r].

/** Q(s,a) = Σ P (r + γ V(s')), with V = 0 for terminal s': one row for each state. */
export function actionValues({ outcomes, terminal }, values, gamma) {
  return outcomes.map((actions) => actions.map((list) =>
    list.reduce((sum, [p, next, reward]) => sum + p * (reward + gamma * (terminal[next] ? 0 : values[next])), 0)));
}

/** One sweep: V(s) ← max_a Q(s,a), every state from the old table. */
export const sweep = (world, values, gamma) => actionValues(world, values, gamma).map((row) => Math.max(...row));

/** V_k after k sweeps from 0, or V* (to 1e-9) for k = null; with the number of sweeps made. */
export function iterate(world, gamma, k) {
  let values = world.terminal.map(() => 0);
  const reach = gamma < 1 ? gamma / (1 - gamma) : 1;
  for (let made = 0; ; made += 1) {
    if (k !== null && made === k) return { values, sweeps: made };
    const following = sweep(world, values, gamma);
    const change = Math.max(...following.map((value, s) => Math.abs(value - values[s])));
    values = following;
    if (k === null && (reach * change < 1e-9 || made > 20_000)) return { values, sweeps: made + 1 };
  }
}

/** The best actions of a row, equal ones together; none while all are equal. */
export function best(row) {
  const top = Math.max(...row);
  const found = range(row.length).filter((a) => row[a] > top - 1e-9);
  return found.length === row.length ? [] : found;
}

// ------------------------------------------------------------------ picture
const STEPS = [[0, -1], [1, 0], [0, 1], [-1, 0]]; // up, right, down, left in x, y
const NAMES = ["up", "right", "down", "left"];

/** The ground of a value: green above 0, orange below, stronger with its size. */
const ground = (value, most) =>
  `color-mix(in srgb, var(${value < 0 ? "--bad" : "--good"}) ${(70 * clamp(Math.abs(value) / most, 0, 1)).toFixed(1)}%, var(--paper))`;

class ValueExplorer extends Explorer {
  static style = `
    .canvas { max-width: 560px; margin: 4px auto 0; }
    .place { cursor: pointer; }
    .num { font-size: 13px; font-weight: 600; }
    .buttons { margin: 2px 0 10px; }
    td, th { padding: 3px 6px; text-align: right; }
  `;

  build(root) {
    const { world, gamma } = this.options;
    Object.assign(this, { world, gamma, k: null, place: world.first });
    this.controls = {
      gamma: slider({ name: "Discount", symbol: "γ", min: 0, max: 0.99, step: 0.01, value: gamma,
        show: (v) => v.toFixed(2), onInput: (v) => this.set({ gamma: v }), part: "gamma" }),
      place: slider({ name: "Look at place", min: 0, max: world.places.length - 1, step: 1, value: this.place,
        show: (s) => `row ${world.places[s][0]}, column ${world.places[s][1]}`, onInput: (s) => this.set({ place: s }), part: "place" }),
    };
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.canvas = svg("svg", { role: "img", class: "canvas", pointerdown: (event) => this.onPointer(event) });
    this.table = html("table", {});
    const sweeps = (count) => () => this.set({ k: (this.k ?? 0) + count });
    root.append(html("div", { class: "frame", role: "group", "aria-label": "Value explorer" },
      html("p", { class: "title" }, "What is each place worth?"),
      html("p", { class: "hint" }, "Turn γ. Or go back to zero and make the sweeps of value iteration one by one. Press a place to see its backup."),
      html("div", { class: "controls" }, this.controls.gamma, this.controls.place),
      html("div", { class: "buttons" },
        button("Back to zero", () => this.set({ k: 0 }), { part: "zero" }),
        button("One sweep", sweeps(1), { part: "sweep" }),
        button("Five sweeps", sweeps(5), { part: "five" }),
        button("Solve", () => this.set({ k: null }), { part: "solve" })),
      this.canvas, this.say,
      html("details", {}, html("summary", {}, "All values as a table"),
        html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of values" }, this.table))));
    this.refresh();
  }

  set(changes) {
    Object.assign(this, changes);
    this.controls.gamma.set(this.gamma);
    this.controls.place.set(this.place);
    this.refresh();
    this.redraw();
  }

  onPointer(event) {
    const at = event.target.closest?.("[data-place]");
    if (at) this.set({ place: Number(at.dataset.place) });
  }

  refresh() {
    const { world, gamma, place } = this;
    const { values, sweeps } = iterate(world, gamma, this.k);
    this.values = values;
    this.q = actionValues(world, values, gamma);
    const before = this.k === null ? values : iterate(world, gamma, Math.max(0, this.k - 1)).values;
    const state = this.k === null ? `Solved after ${sweeps} sweeps.` : `After ${sweeps} sweep${sweeps === 1 ? "" : "s"}.`;
    const [row, column] = world.places[place];
    let words;
    if (world.terminal[place]) words = "The episode ends here: nothing follows, the value is 0. What it pays was paid for the step that led here.";
    else if (this.k === 0) words = "Nothing is known yet: every value is 0.";
    else {
      const backup = actionValues(world, before, gamma)[place];
      const top = Math.max(...backup);
      words = `V(row ${row}, column ${column}) = max of ${backup.map((v, a) => `${NAMES[a]} ${format(v, 3)}`).join(", ")} = ${format(top, 3)}.`;
    }
    this.say.replaceChildren(html("strong", {}, `${state} γ = ${gamma.toFixed(2)}. `), words);
    this.canvas.setAttribute("aria-label", `Map of values. ${state} The start is worth ${format(values[world.first], 2)}. The same numbers stand in the table below.`);
    const number = new Map(world.places.map(([r, c], s) => [`${r},${c}`, s]));
    this.table.replaceChildren(html("caption", { class: "visually-hidden" }, "Value of every place, by row and column"),
      html("tbody", {}, world.rows.map((line, r) => html("tr", {}, [...line].map((sign, c) => {
        const s = number.get(`${r},${c}`);
        return html("td", {}, s === undefined ? (sign === "#" ? "wall" : "cliff") : world.terminal[s] ? `end ${sign}` : format(values[s], 2));
      })))));
  }

  draw(full) {
    const { world, values, q, place } = this;
    const columns = world.rows[0].length;
    const width = Math.min(full, 560);
    const size = width / columns;
    this.canvas.setAttribute("height", size * world.rows.length + 2);
    const most = Math.max(0.05, ...values.map(Math.abs), ...Object.values(world.pays).map(Math.abs).filter((v) => v <= 1));
    const small = size < 58;
    const number = new Map(world.places.map(([r, c], s) => [`${r},${c}`, s]));
    const parts = [];
    const text = (x, y, className, words) => svg("text", { x, y, "text-anchor": "middle", class: className, "font-size": small ? 11 : 13 }, words);
    world.rows.forEach((line, r) => [...line].forEach((sign, c) => {
      const [x, y] = [c * size, r * size];
      const s = number.get(`${r},${c}`);
      const paid = world.pays[sign];
      const fill = s === undefined ? "color-mix(in srgb, currentColor 30%, var(--paper))" : world.terminal[s] ? ground(paid ?? 0, 1) : ground(values[s], most);
      parts.push(svg("rect", { x: x + 1, y: y + 1, width: size - 2, height: size - 2, rx: 5, fill, class: s === undefined ? null : "place", "data-place": s }));
      if (s === undefined) return;
      const [cx, cy] = [x + size / 2, y + size / 2];
      const inert = { "pointer-events": "none" };
      if (world.terminal[s]) {
        parts.push(svg("g", inert, text(cx, cy - 3, "num", "end"), text(cx, cy + 14, "num", paid === undefined ? "" : (paid > 0 ? "+" : "") + format(paid, Number.isInteger(paid) ? 0 : 1))));
      } else {
        const reach = size * 0.36;
        const tip = small ? 5 : 7;
        parts.push(svg("g", inert, text(cx, cy + 5, "num", format(values[s], 2)),
          best(q[s]).map((a) => {
            const [dx, dy] = STEPS[a];
            const [px, py] = [cx + dx * reach, cy + dy * reach];
            return svg("path", { d: `M${px + dx * tip} ${py + dy * tip}L${px + dy * tip - dx * 2} ${py + dx * tip - dy * 2}L${px - dy * tip - dx * 2} ${py - dx * tip - dy * 2}z`, fill: "currentColor" });
          })));
        if (s === world.first) parts.push(svg("g", inert, svg("circle", { cx: x + 9, cy: y + 9, r: 4, fill: "var(--new)", stroke: "var(--paper)", "stroke-width": 1.5 })));
      }
      if (s === place) parts.push(svg("rect", { x: x + 2, y: y + 2, width: size - 4, height: size - 4, rx: 5, fill: "none", stroke: "var(--new)", "stroke-width": 3, "pointer-events": "none" }));
    }));
    this.canvas.replaceChildren(...parts);
  }
}

define("anatomy-value-explorer", ValueExplorer);
