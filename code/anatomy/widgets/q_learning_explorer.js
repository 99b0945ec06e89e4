// Q-learning and SARSA, one update at a time: the agent, the table, and the equation
// with its numbers. Watkins 1989; Sutton & Barto 2018, eq. 6.7 and 6.8.
import {
  Explorer, button, choice, clamp, define, format, html, range, slider, svg,
} from "./kit.js";

// ------------------------------------------------------------- mathematics

/** r + γ · (what the rule takes of the next row), and r alone after a termination. */
export function target(rule, reward, nextRow, nextAction, terminated, gamma) {
  if (terminated) return reward;
  return reward + gamma * (rule === "sarsa" ? nextRow[nextAction] : Math.max(...nextRow));
}

/** A stream of uniform numbers from a seed (mulberry32). */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** With probability ε any action, else a best one, equal ones by lot. */
export function chooseAction(row, epsilon, random) {
  if (random() < epsilon) return Math.floor(random() * row.length);
  const top = Math.max(...row);
  const best = range(row.length).filter((a) => row[a] === top);
  return best[Math.floor(random() * best.length)];
}

const LIMIT = 200; // steps of an episode

/** A learner whose `step()` acts once, learns once, and tells what happened. */
export class Learner {
  constructor(world, { seed = 0 } = {}) {
    this.world = world;
    this.random = uniform(seed);
    this.q = world.outcomes.map((actions) => actions.map(() => 0));
    this.state = world.first;
    this.action = null; // chosen ahead by SARSA
    this.steps = this.episodes = this.length = 0;
  }

  step({ rule, alpha, epsilon, gamma }) {
    const { world, q, state } = this;
    const action = this.action ?? chooseAction(q[state], epsilon, this.random);
    let draw = this.random();
    const list = world.outcomes[state][action];
    const [, next, reward] = list.find(([p]) => (draw -= p) < 0) ?? list.at(-1);
    const terminated = world.terminal[next];
    const nextAction = chooseAction(q[next], epsilon, this.random);
    const old = q[state][action];
    const aim = target(rule, reward, q[next], nextAction, terminated, gamma);
    q[state][action] = old + alpha * (aim - old);
    this.steps += 1;
    this.length += 1;
    const ended = terminated || this.length >= LIMIT;
    const told = { state, action, reward, next, nextAction, terminated, truncated: ended && !terminated, old, aim, fresh: q[state][action], nextRow: [...q[next]] };
    if (ended) {
      this.episodes += 1;
      this.length = 0;
    }
    this.state = ended ? world.first : next;
    this.action = rule === "sarsa" && !ended ? nextAction : null;
    return told;
  }
}

// ------------------------------------------------------------------ picture
const NAMES = ["up", "right", "down", "left"];
const CORNERS = [[0, 0], [1, 0], [1, 1], [0, 1]]; // the side of action a runs from corner a to a + 1

class QLearningExplorer extends Explorer {
  static style = `
    .canvas { max-width: 600px; margin: 4px auto 0; }
    .buttons { margin: 8px 0 10px; }
    .say { min-height: 7.4em; }
    @container (max-width: 420px) { .say { min-height: 12.5em; } }
  `;

  build(root) {
    const { world, gamma, alpha, epsilon, rule } = this.options;
    Object.assign(this, { world, gamma, alpha, epsilon, rule });
    this.controls = [
      slider({ name: "Step size", symbol: "α", min: 0.05, max: 1, step: 0.05, value: alpha, show: (v) => v.toFixed(2), onInput: (v) => { this.alpha = v; }, part: "alpha" }),
      slider({ name: "Exploration", symbol: "ε", min: 0, max: 1, step: 0.05, value: epsilon, show: (v) => v.toFixed(2), onInput: (v) => { this.epsilon = v; }, part: "epsilon" }),
      choice({ legend: "Target", options: [["q", "Q-learning: max"], ["sarsa", "SARSA: next action"]], value: rule, onChange: (v) => { this.rule = v; this.learner.action = null; } }),
    ];
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.canvas = svg("svg", { role: "img", class: "canvas" });
    const episodes = (count) => () => {
      const goal = this.learner.episodes + count;
      while (this.learner.episodes < goal) this.told = this.learner.step(this);
      this.refresh();
    };
    root.append(html("div", { class: "frame", role: "group", "aria-label": "Q-learning explorer" },
      html("p", { class: "title" }, "A table that fills itself"),
      html("p", { class: "hint" }, "Step until the first reward arrives, then watch how far it travels in each episode. Green is good, orange bad, each triangle one action."),
      html("div", { class: "controls" }, this.controls),
      html("div", { class: "buttons" },
        button("One step", () => { this.told = this.learner.step(this); this.refresh(); }, { part: "step" }),
        button("One episode", episodes(1), { part: "episode" }),
        button("50 episodes", episodes(50), { part: "many" }),
        button("Start again", () => this.restart(), { part: "restart" })),
      this.canvas, this.say));
    this.restart();
  }

  restart() {
    this.learner = new Learner(this.world, { seed: this.options.seed });
    this.told = null;
    this.refresh();
  }

  refresh() {
    const { learner, told, world, rule, gamma, alpha } = this;
    const place = (s) => `(${world.places[s].join(", ")})`;
    const count = `${learner.steps} step${learner.steps === 1 ? "" : "s"}, ${learner.episodes} episode${learner.episodes === 1 ? "" : "s"}. `;
    let words = "The table is empty. The agent stands at the start and knows nothing, not even the map.";
    if (told) {
      const future = told.terminated ? "nothing follows" : rule === "sarsa"
        ? `${gamma} · Q(next, ${NAMES[told.nextAction]})` : `${gamma} · max Q(next)`;
      words = `At ${place(told.state)} the agent tried ${NAMES[told.action]}, was paid ${format(told.reward, Number.isInteger(told.reward) ? 0 : 1)} and reached ${place(told.next)}`
        + `${told.terminated ? ", an end" : told.truncated ? "; the clock stopped the episode" : ""}. `
        + `Target: ${format(told.reward, 2)} + ${future} = ${format(told.aim, 3)}. `
        + `Q: ${format(told.old, 3)} + ${alpha} · (${format(told.aim, 3)} − ${format(told.old, 3)}) = ${format(told.fresh, 3)}.`;
    }
    this.say.replaceChildren(html("strong", {}, count), words);
    this.canvas.setAttribute("aria-label", `Map with four action values for each place. ${count}Best action value at the start: ${format(Math.max(...learner.q[world.first]), 2)}.`);
    this.redraw();
  }

  draw(full) {
    const { world, learner, told } = this;
    const columns = world.rows[0].length;
    const size = Math.min(full, 600) / columns;
    this.canvas.setAttribute("height", size * world.rows.length + 2);
    const all = learner.q.flat();
    const high = Math.max(0.02, ...all);
    const low = Math.max(0.02, ...all.map((v) => -v));
    const negativeOnly = Math.max(...all) <= 0 && Math.min(...all) < -1;
    const ground = (value) => {
      const share = negativeOnly ? clamp(Math.log1p(-value) / Math.log1p(low), 0, 1) : clamp(value > 0 ? value / high : -value / low, 0, 1);
      return `color-mix(in srgb, var(${value < 0 ? "--bad" : "--good"}) ${(78 * share).toFixed(1)}%, var(--paper))`;
    };
    const number = new Map(world.places.map(([r, c], s) => [`${r},${c}`, s]));
    const parts = [];
    const label = (x, y, words) => svg("text", { x, y, "text-anchor": "middle", "font-size": size < 40 ? 10 : 13, "font-weight": 600 }, words);
    world.rows.forEach((line, r) => [...line].forEach((sign, c) => {
      const [x, y] = [c * size + 1, r * size + 1];
      const edge = size - 2;
      const s = number.get(`${r},${c}`);
      if (s === undefined) {
        parts.push(svg("rect", { x, y, width: edge, height: edge, rx: 3, fill: sign === "C" ? "color-mix(in srgb, var(--bad) 35%, var(--paper))" : "color-mix(in srgb, currentColor 30%, var(--paper))" }));
        return;
      }
      if (world.terminal[s]) {
        const paid = world.pays[sign];
        parts.push(svg("rect", { x, y, width: edge, height: edge, rx: 3, fill: "var(--wash)", stroke: "var(--muted)" }));
        parts.push(label(x + edge / 2, y + edge / 2 + 4, paid === undefined ? "end" : (paid > 0 ? "+" : "") + format(paid, Number.isInteger(paid) ? 0 : 1)));
        return;
      }
      const [cx, cy] = [x + edge / 2, y + edge / 2];
      learner.q[s].forEach((value, a) => {
        const [from, to] = [CORNERS[a], CORNERS[(a + 1) % 4]];
        parts.push(svg("path", { d: `M${cx} ${cy}L${x + from[0] * edge} ${y + from[1] * edge}L${x + to[0] * edge} ${y + to[1] * edge}z`, fill: ground(value), stroke: "var(--line)", "stroke-width": 0.7 }));
        if (size > 74) {
          const [mx, my] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
          parts.push(svg("text", { x: cx + (mx - 0.5) * edge * 0.66, y: cy + (my - 0.5) * edge * 0.66 + 4, "text-anchor": "middle", "font-size": 11 }, format(value, 2)));
        }
      });
      if (told && told.state === s) {
        const [from, to] = [CORNERS[told.action], CORNERS[(told.action + 1) % 4]];
        parts.push(svg("path", { d: `M${cx} ${cy}L${x + from[0] * edge} ${y + from[1] * edge}L${x + to[0] * edge} ${y + to[1] * edge}z`, fill: "none", stroke: "currentColor", "stroke-width": 2.5, "stroke-linejoin": "round" }));
      }
    }));
    const [r, c] = world.places[learner.state];
    parts.push(svg("circle", { cx: (c + 0.5) * size, cy: (r + 0.5) * size, r: Math.max(5, size * 0.12), fill: "var(--new)", stroke: "var(--paper)", "stroke-width": 2.5 }));
    this.canvas.replaceChildren(...parts);
  }
}

define("anatomy-q-learning-explorer", QLearningExplorer);
