// Every text of a three-token language as a tree, each prefix coloured by its value.
import {
  Explorer, choice, clamp, define, format, html, range, slider, svg,
} from "./kit.js";

// ------------------------------------------------------------- mathematics
// nodes[i] = {token, parent, depth, reward, children}: parents come before children,
// `reward` was paid for the step that led here, `children` are in the order of tokens.

/** Values of all prefixes and action probabilities, from the leaves to the root. */
export function treeValues(nodes, gamma, policy) {
  const values = nodes.map(() => 0);
  const probabilities = nodes.map(() => []);
  for (let i = nodes.length - 1; i >= 0; i -= 1) {
    const { children } = nodes[i];
    if (children.length === 0) continue;
    const q = children.map((child) => nodes[child].reward + gamma * values[child]);
    const top = Math.max(...q);
    const best = q.map((value) => (value > top - 1e-9 ? 1 : 0));
    const shared = best.reduce((a, b) => a + b, 0);
    probabilities[i] = policy === "best" ? best.map((b) => b / shared) : q.map(() => 1 / q.length);
    values[i] = q.reduce((sum, value, a) => sum + probabilities[i][a] * value, 0);
  }
  return { values, probabilities };
}

class PrefixTree extends Explorer {
  static style = `.canvas { margin-top: 6px; } .node { font-size: 13px; } .say { min-height: 4.4em; }`;

  build(root) {
    const { nodes, gamma, policy } = this.options;
    Object.assign(this, { nodes, gamma, policy });
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.canvas = svg("svg", { role: "img", class: "canvas" });
    root.append(html("div", { class: "frame", role: "group", "aria-label": "Prefix tree" },
      html("p", { class: "title" }, "Every text of a language, and what each beginning is worth"),
      html("p", { class: "hint" }, "Rewards are paid at the right edge only. The colours on the left are values: what a beginning leads to."),
      html("div", { class: "controls" },
        choice({ legend: "Who writes?", options: [["even", "a die"], ["best", "the best policy"]], value: policy, onChange: (v) => this.set({ policy: v }) }),
        slider({ name: "Discount", symbol: "γ", min: 0, max: 1, step: 0.05, value: gamma, show: (v) => v.toFixed(2), onInput: (v) => this.set({ gamma: v }), part: "gamma" })),
      this.canvas, this.say));
    this.refresh();
  }

  set(changes) {
    Object.assign(this, changes);
    this.refresh();
    this.redraw();
  }

  refresh() {
    Object.assign(this, treeValues(this.nodes, this.gamma, this.policy));
    const { nodes, values, probabilities } = this;
    let words = "A die writes each token with the same probability.";
    if (this.policy === "best") {
      const text = [];
      let ties = false;
      for (let i = 0; nodes[i].children.length; ) {
        const a = probabilities[i].findIndex((p) => p > 0);
        ties ||= probabilities[i].filter((p) => p > 0).length > 1;
        text.push(nodes[nodes[i].children[a]].token);
        i = nodes[i].children[a];
      }
      words = ties ? "Several texts are equally good at this γ." : `The best policy writes “${text.join(" ")}”.`;
    }
    this.say.replaceChildren(html("strong", {}, `The empty text is worth ${format(values[0], 2)}. `), words);
    this.canvas.setAttribute("aria-label", `Tree of ${nodes.length} prefixes. The empty text is worth ${format(values[0], 2)}. ${words}`);
  }

  draw(width) {
    const { nodes, values, probabilities } = this;
    const levels = Math.max(...nodes.map((node) => node.depth)) + 1;
    const narrow = width < 460;
    const rootWidth = narrow ? 42 : 62; // the empty text needs room for its value alone
    const gap = narrow ? 11 : 34;
    const pitch = (width - rootWidth - gap) / (levels - 1);
    const left = (depth) => (depth === 0 ? 0 : rootWidth + gap + (depth - 1) * pitch);
    const rowHeight = 27;
    const [boxWidth, boxHeight] = [Math.min(140, pitch - (narrow ? gap : 34)), 22];
    // Leaves in the order of the tree; a parent stands in the middle of its children.
    const y = [];
    let row = 0;
    const place = (i) => {
      const { children } = nodes[i];
      children.forEach(place);
      y[i] = children.length ? (y[children[0]] + y[children.at(-1)]) / 2 : (row++ + 0.5) * rowHeight;
    };
    place(0);
    this.canvas.setAttribute("height", row * rowHeight + 6);
    const most = Math.max(1, ...nodes.map((node) => Math.abs(node.reward)));
    const ground = (value) => `color-mix(in srgb, var(${value < 0 ? "--bad" : "--good"}) ${(72 * clamp(Math.abs(value) / most, 0, 1)).toFixed(1)}%, var(--paper))`;
    const parts = [];
    nodes.forEach((node, i) => node.children.forEach((child, a) => {
      const [x1, x2] = [left(node.depth) + (i === 0 ? rootWidth : boxWidth), left(nodes[child].depth)];
      const share = probabilities[i][a];
      parts.push(svg("path", { d: `M${x1} ${y[i]}C${(x1 + x2) / 2} ${y[i]} ${(x1 + x2) / 2} ${y[child]} ${x2} ${y[child]}`, fill: "none", stroke: share > 0 ? "var(--new)" : "var(--line)", "stroke-width": share > 0 ? 1 + 2.5 * share : 1 }));
    }));
    nodes.forEach((node, i) => {
      const leaf = node.children.length === 0;
      const shown = leaf ? node.reward : values[i];
      const x = left(node.depth);
      const small = boxWidth < 92;
      const wide = i === 0 ? rootWidth : boxWidth;
      parts.push(svg("rect", { x, y: y[i] - boxHeight / 2, width: wide, height: boxHeight, rx: leaf ? 2 : 11, fill: ground(shown), stroke: "var(--muted)", "stroke-width": leaf ? 0.5 : 1.2 }));
      parts.push(svg("text", { x: x + (small ? 5 : 7), y: y[i] + 4.5, class: "node", "font-size": small ? 11 : 13 }, i === 0 ? "" : node.token));
      const number = leaf ? `${node.reward > 0 ? "+" : ""}${format(node.reward, 0)}` : format(values[i], 2);
      parts.push(svg("text", { x: x + wide - (small ? 5 : 6), y: y[i] + 4.5, "text-anchor": "end", class: "node", "font-size": small ? 11 : 13, "font-weight": 650 }, number));
    });
    this.canvas.replaceChildren(...parts);
  }
}

define("anatomy-prefix-tree", PrefixTree);
