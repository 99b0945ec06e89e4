// Where each token looks: attention weights of a tiny GPT and of a tiny BERT of the same shape.
import {
  Explorer, choice, clamp, define, html, range, slider, svg,
} from "./kit.js";

// ------------------------------------------------------------- mathematics

/** The places of the largest weights of a row, largest first; weights below 5 % are left out. */
export function strongest(row, count = 3) {
  return range(row.length)
    .filter((place) => row[place] >= 5)
    .sort((a, b) => row[b] - row[a] || a - b)
    .slice(0, count);
}

/** How far back a head looks on average, Σ weight · |t − s| over its rows, in tokens. */
export function reach(pattern) {
  const rows = pattern.map((row, t) => row.reduce((sum, weight, s) => sum + weight * Math.abs(t - s), 0) / 100);
  return rows.reduce((sum, row) => sum + row, 0) / rows.length;
}

/** One sentence about a row. */
export function explain(words, row, token, mask) {
  const places = strongest(row);
  const name = (place) => (place === token ? "itself" : `“${words[place]}” at place ${place + 1}`);
  const list = places.map((place) => `${name(place)} (${row[place]} %)`).join(", ");
  const seen = list ? `“${words[token]}” looks at ${list}.` : `“${words[token]}” spreads its look over everything.`;
  const ahead = row.reduce((sum, weight, s) => sum + (s > token ? weight : 0), 0);
  if (mask === "causal") {
    if (token === 0) return `${seen} It is the first token: with the causal mask there is nothing else to see.`;
    if (token === words.length - 1) return `${seen} It is the last token and may see all; its output predicts the next one.`;
    return `${seen} The ${words.length - 1 - token} tokens after it get exactly 0: they are hidden.`;
  }
  return `${seen} ${ahead} % of the look goes to tokens that come later, which a GPT could not see.`;
}

// ----------------------------------------------------------------- drawing

class AttentionExplorer extends Explorer {
  static style = `
    .words { display: flex; flex-wrap: wrap; gap: 6px 4px; margin: 12px 0 6px; }
    .words button { position: relative; min-height: 44px; min-width: 40px; padding: 2px 7px 3px; border-radius: 6px; line-height: 1.2;
      background: color-mix(in srgb, var(--new) calc(var(--weight) * 0.75%), transparent); }
    .words button small { display: block; font-size: 12px; font-variant-numeric: tabular-nums; color: inherit; }
    .words button[aria-pressed=true] { outline: 2.5px solid var(--new); outline-offset: 1px; font-weight: 700; }
    .words button.hidden { border-style: dashed; color: var(--muted); }
    .cell { cursor: pointer; } .say { min-height: 5.9em; }
    .pickers { grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); row-gap: 10px; }
    @container (max-width: 420px) { .say { min-height: 7.3em; } }
  `;

  build(root) {
    const { texts, mask, text, layer, head, token } = this.options;
    Object.assign(this, { texts, mask, text, layer, head, token });
    const { length: layers } = texts[0].causal;
    const { length: heads } = texts[0].causal[0];
    this.controls = {
      mask: choice({
        legend: "Mask", options: [["causal", "causal (GPT)"], ["bidirectional", "none (BERT)"]], value: mask,
        onChange: (key) => this.set({ mask: key }),
      }),
      text: choice({
        legend: "Text", options: texts.map((_, index) => [String(index), index ? "question" : "article"]), value: String(text),
        onChange: (key) => this.set({ text: Number(key), token: texts[Number(key)].words.length - 1 }),
      }),
      layer: slider({ name: "Layer", min: 1, max: layers, step: 1, value: layer + 1, show: String,
        onInput: (value) => this.set({ layer: value - 1 }), part: "layer" }),
      head: slider({ name: "Head", min: 1, max: heads, step: 1, value: head + 1, show: String,
        onInput: (value) => this.set({ head: value - 1 }), part: "head" }),
    };
    this.words = html("div", { class: "words", role: "group", "aria-label": "Tokens: press one to see where it looks" });
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.canvas = svg("svg", { role: "img", pointerdown: (event) => this.onPointer(event), pointermove: (event) => this.onPointer(event) });
    root.append(
      html("div", { class: "frame", role: "group", "aria-label": "Attention explorer" },
        html("p", { class: "title" }, "Where a token looks"),
        html("p", { class: "hint" }, "Press a token, or point at a row below. Then take the mask away."),
        html("div", { class: "controls pickers" }, this.controls.mask, this.controls.text, this.controls.layer, this.controls.head),
        this.words, this.say, this.canvas),
    );
    this.rebuild();
  }

  get pattern() { return this.texts[this.text][this.mask][this.layer][this.head]; }

  set(changes) {
    const other = changes.text !== undefined && changes.text !== this.text;
    Object.assign(this, changes);
    this.token = clamp(this.token, 0, this.pattern.length - 1);
    if (other) this.rebuild();
    else this.refresh();
    this.redraw();
  }

  /** New words: new buttons. */
  rebuild() {
    this.buttons = this.texts[this.text].words.map((word, place) => html("button", {
      type: "button", click: () => this.set({ token: place }),
      pointerenter: (event) => { if (event.pointerType === "mouse") this.set({ token: place }); },
    }, word, html("small", {})));
    this.words.replaceChildren(...this.buttons);
    this.refresh();
  }

  refresh() {
    const { words } = this.texts[this.text];
    const row = this.pattern[this.token];
    this.buttons.forEach((element, place) => {
      const hidden = this.mask === "causal" && place > this.token;
      element.style.setProperty("--weight", row[place]);
      element.setAttribute("aria-pressed", String(place === this.token));
      element.setAttribute("aria-label", `${words[place]}, place ${place + 1}, ${hidden ? "hidden" : `${row[place]} %`}`);
      element.classList.toggle("hidden", hidden);
      element.querySelector("small").textContent = hidden ? "–" : `${row[place]} %`;
    });
    const sentence = explain(words, row, this.token, this.mask);
    if (this.say.textContent !== sentence) this.say.textContent = sentence;
    this.canvas.setAttribute("aria-label",
      `Attention weights of layer ${this.layer + 1}, head ${this.head + 1}: a row for each token that looks, a column for each that is seen. ${sentence}`);
  }

  onPointer(event) {
    if (event.type === "pointermove" && event.pointerType !== "mouse") return;
    const y = event.clientY - this.canvas.getBoundingClientRect().top - this.top;
    const token = Math.floor(y / this.cell);
    if (token >= 0 && token < this.pattern.length && token !== this.token) this.set({ token });
  }

  draw(width) {
    const { words } = this.texts[this.text];
    const count = words.length;
    const label = width < 460 ? 54 : 74;
    const cell = (this.cell = Math.min(26, (width - label - 4) / count));
    const top = (this.top = 60);
    const parts = [];
    words.forEach((word, place) => {
      const at = label + (place + 0.5) * cell;
      parts.push(svg("text", { x: 0, y: 0, class: "axis", transform: `translate(${at + 4} ${top - 6}) rotate(-58)` }, word));
      parts.push(svg("text", { x: label - 7, y: top + (place + 0.5) * cell + 4, "text-anchor": "end", class: "axis",
        "font-weight": place === this.token ? 700 : null, fill: place === this.token ? "currentColor" : null }, word));
    });
    this.pattern.forEach((row, t) => row.forEach((weight, s) => {
      const hidden = this.mask === "causal" && s > t;
      parts.push(svg("rect", { class: "cell", x: label + s * cell, y: top + t * cell, width: cell - 1, height: cell - 1,
        fill: hidden ? "var(--wash)" : `color-mix(in srgb, var(--new) ${6 + 0.94 * weight}%, transparent)` },
      svg("title", {}, `${words[t]} → ${words[s]}: ${hidden ? "hidden" : `${weight} %`}`)));
      if (hidden && s === t + 1) {
        parts.push(svg("line", { x1: label + s * cell - 0.5, x2: label + s * cell - 0.5, y1: top + t * cell, y2: top + (t + 1) * cell, stroke: "var(--muted)" }));
        parts.push(svg("line", { x1: label + s * cell - 0.5, x2: label + (s + 1) * cell - 0.5, y1: top + (t + 1) * cell - 0.5, y2: top + (t + 1) * cell - 0.5, stroke: "var(--muted)" }));
      }
    }));
    parts.push(svg("rect", { x: label - 1, y: top + this.token * cell - 1, width: count * cell + 1, height: cell + 1, fill: "none", stroke: "var(--new)", "stroke-width": 2 }));
    const below = top + count * cell;
    parts.push(svg("text", { x: label, y: below + 20, class: "axis" },
      width < 460 ? "row: looks, column: is seen" : "row: the token that looks · column: the token that is seen"));
    this.canvas.setAttribute("height", below + 28);
    this.canvas.replaceChildren(...parts);
  }
}

define("anatomy-attention-explorer", AttentionExplorer);
