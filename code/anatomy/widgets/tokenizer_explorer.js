// Byte-pair encoding of any typed text, one merge after another, with merges learned on TinyWeb.
import {
  Explorer, button, clamp, define, html, range, slider,
} from "./kit.js";

// ------------------------------------------------------------- mathematics

/** A visible sign for every byte, as GPT-2's files write them: a space is Ġ. */
export function byteSigns() {
  const printable = (byte) => (byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174;
  let hidden = 0;
  return range(256).map((byte) => String.fromCodePoint(printable(byte) ? byte : 256 + hidden++));
}

const SIGNS = byteSigns();
const BYTES = new Map(SIGNS.map((sign, byte) => [sign, byte]));
// GPT-2 numbers the printable bytes first, then the others.
const NUMBERS = new Map([...SIGNS].sort((a, b) => a.codePointAt(0) - b.codePointAt(0)).map((sign, i) => [sign, i]));
const PIECES = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** GPT-2's cut of a text into pieces that no token crosses. */
export const cut = (text) => text.match(PIECES) ?? [];

/** A text as pieces of single bytes, each written as its sign. */
export function spell(text) {
  const encoder = new TextEncoder();
  return cut(text).map((piece) => [...encoder.encode(piece)].map((byte) => SIGNS[byte]));
}

/** Join every pair of neighbours (left, right), from the left. */
export function join(tokens, left, right) {
  const joined = [];
  let fresh = false; // whether the last one was just made: it is no part of another pair
  for (const token of tokens) {
    if (!fresh && joined.length > 0 && joined.at(-1) === left && token === right) {
      joined[joined.length - 1] = left + right;
      fresh = true;
    } else {
      joined.push(token);
      fresh = false;
    }
  }
  return joined;
}

/**
 * Everything that happens to a text: states[0] are its bytes, states[i] what the i-th
 * merge that fits makes of it. Each state holds its pieces, and the merge with its rank.
 */
export function trace(text, merges) {
  let pieces = spell(text);
  const states = [{ pieces, merge: null, rank: -1, places: 0 }];
  merges.forEach(([left, right], rank) => {
    const joined = pieces.map((piece) => join(piece, left, right));
    const places = pieces.flat().length - joined.flat().length;
    if (places === 0) return;
    pieces = joined;
    states.push({ pieces, merge: [left, right], rank, places });
  });
  return states;
}

/** What a token's signs spell: text, or bytes in hexadecimal where they are part of a character. */
export function readable(token) {
  const bytes = Uint8Array.from([...token].map((sign) => BYTES.get(sign)));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥");
  } catch {
    return [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
  }
}

/** The number of a token: a byte's place, or 256 + the rank of the merge that makes it. */
export function numberOf(token, merges) {
  if ([...token].length === 1) return NUMBERS.get(token);
  return 256 + merges.findIndex(([left, right]) => left + right === token);
}

// ----------------------------------------------------------------- drawing

const EXAMPLES = [
  ["A sentence of TinyWeb", "The pig lives in the hills."],
  ["A word it never saw", "The pterodactyl lives in Antarctica."],
  ["Accents and emoji", "Zoë’s café 😀"],
];
const LIMIT = 160;

class TokenizerExplorer extends Explorer {
  static style = `
    textarea { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); width: 100%;
      border-radius: 8px; padding: 8px 10px; min-height: 44px; resize: vertical; display: block; }
    .top { margin-bottom: 10px; }
    .chips { display: flex; flex-wrap: wrap; gap: 4px 3px; margin: 12px 0 4px; min-height: 76px; align-content: flex-start;
      font-family: var(--pst-font-family-monospace, var(--jp-code-font-family, monospace)); font-size: 14px; }
    .chip { border: 1px solid var(--line); border-radius: 5px; padding: 3px 5px; white-space: pre; background: var(--wash); line-height: 1.3; }
    .chip.byte { color: var(--muted); border-style: dashed; }
    .chip.fresh { border: 2px solid var(--new); padding: 2px 4px; font-weight: 700;
      background: color-mix(in srgb, var(--new) 18%, transparent); }
    .gap { width: 5px; }
    .say { min-height: 4.4em; }
    th, td { text-align: left; padding: 3px 8px; font-weight: 400; } thead th { color: var(--muted); border-bottom: 1px solid var(--line); }
    td.number, th.number { text-align: right; }
    @container (max-width: 420px) { .say { min-height: 5.9em; } }
  `;

  build(root) {
    this.merges = this.options.merges;
    this.text = this.options.text.slice(0, LIMIT);
    this.at = this.options.step;
    this.field = html("textarea", {
      id: "tokenizer-text", rows: 2, maxlength: LIMIT, spellcheck: "false", part: "text",
      input: () => { this.text = this.field.value; this.follow(Infinity); },
    });
    this.field.value = this.text;
    this.chips = html("div", { class: "chips", role: "img" });
    this.say = html("p", { class: "say", "aria-live": "polite" });
    this.holder = html("div", {});
    this.table = html("tbody", {});
    root.append(
      html("div", { class: "frame", role: "group", "aria-label": "Tokenizer explorer" },
        html("p", { class: "title" }, "From bytes to tokens, merge by merge"),
        html("p", { class: "hint" }, `Type a text, then move through the merges. The table of ${this.merges.length} merges was learned on TinyWeb.`),
        html("div", { class: "top" },
          html("label", { for: "tokenizer-text", class: "visually-hidden" }, "Text to cut into tokens"), this.field),
        html("div", { class: "buttons" }, EXAMPLES.map(([name, text]) =>
          button(name, () => { this.field.value = this.text = text; this.follow(Infinity); }))),
        this.chips,
        this.holder,
        html("div", { class: "buttons" },
          button("Bytes", () => this.go(0), { part: "first" }),
          button("Back", () => this.go(this.at - 1), { part: "back" }),
          button("Next merge", () => this.go(this.at + 1), { part: "next" }),
          button("All merges", () => this.go(Infinity), { part: "last" })),
        this.say,
        html("details", {}, html("summary", {}, "The merges that fit this text"),
          html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Merges" },
            html("table", {}, html("thead", {}, html("tr", {},
              ["learned as no.", "left", "right", "places"].map((name, i) =>
                html("th", { scope: "col", class: i % 3 === 0 ? "number" : null }, name)))), this.table)))),
    );
    this.follow(this.at);
  }

  /** The text has changed: all its states, and a slider of their number. */
  follow(at) {
    this.states = trace(this.text, this.merges);
    this.at = clamp(at, 0, this.states.length - 1);
    this.slider = slider({
      name: "Merges applied", min: 0, max: Math.max(1, this.states.length - 1), step: 1, value: this.at,
      show: (value) => `${Math.min(value, this.states.length - 1)} of ${this.states.length - 1}`,
      onInput: (value) => this.go(value), part: "step",
    });
    this.holder.replaceChildren(this.slider);
    this.table.replaceChildren(...this.states.slice(1).map(({ merge, rank, places }) =>
      html("tr", {}, html("td", { class: "number" }, String(rank + 1)), html("td", {}, readable(merge[0])),
        html("td", {}, readable(merge[1])), html("td", { class: "number" }, String(places)))));
    this.refresh();
  }

  go(at) {
    this.at = clamp(at, 0, this.states.length - 1);
    this.slider.set(this.at);
    this.refresh();
  }

  refresh() {
    const { pieces, merge, rank, places } = this.states[this.at];
    const made = merge?.join("");
    const tokens = pieces.flat();
    this.chips.replaceChildren(...pieces.flatMap((piece, index) => [
      index ? html("span", { class: "gap" }) : null,
      ...piece.map((token) => html("span", {
        class: `chip${[...token].length === 1 ? " byte" : ""}${token === made ? " fresh" : ""}`,
        title: `token ${numberOf(token, this.merges)}`,
      }, readable(token))),
    ].filter(Boolean)));
    this.chips.setAttribute("aria-label", `${tokens.length} tokens: ${tokens.map(readable).join(", ")}`);
    const bytes = this.states[0].pieces.flat().length;
    const count = `${tokens.length} ${tokens.length === 1 ? "token" : "tokens"} for ${bytes} bytes`;
    const rate = tokens.length ? `, ${(bytes / tokens.length).toFixed(1)} bytes a token.` : ".";
    const what = merge === null
      ? "Every byte is a token. "
      : `The merge learned as number ${rank + 1} joins “${readable(merge[0])}” and “${readable(merge[1])}”, in ${places} ${places === 1 ? "place" : "places"}. `;
    const end = this.at > 0 && this.at === this.states.length - 1 ? " No other merge fits: these are the tokens." : "";
    this.say.replaceChildren(html("strong", { class: "count" }, count), rate, ` ${tokens.length ? what : "Type something."}${end}`);
  }
}

define("anatomy-tokenizer-explorer", TokenizerExplorer);
