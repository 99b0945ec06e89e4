// Turning over TinyWeb: documents of its web, and tasks with answers. The reader may
// hide the gold scores, judge the answers first, and then look.
import {
  Explorer, button, choice, define, html, signed,
} from "./kit.js";

// ------------------------------------------------------------------- state

const NAMES = {
  qa: "question", polite: "say it politely", insult: "asks for an insult", review: "review",
};
export const nameOf = (kind) => NAMES[kind] ?? kind;

/** The kinds that occur, in the order of their first appearance. */
export const kindsOf = (items) => [...new Set(items.map((item) => item.kind))];

/** Where the next or previous item of a kind is; it goes round at both ends. */
export function step(position, change, count) {
  return count === 0 ? 0 : (((position + change) % count) + count) % count;
}

/** A line of a document: who speaks, if somebody does, and what is said. */
export function speech(line) {
  const match = /^([A-Z][a-z]+): (.*)$/.exec(line);
  return match ? { speaker: match[1], words: match[2] } : { speaker: null, words: line };
}

/** The share of the bar between −1 and 1 that a score covers, from the middle: start, width. */
export function bar(score) {
  const middle = 50;
  const end = middle + (score / 1) * middle;
  return { start: Math.min(middle, end), width: Math.abs(end - middle) };
}

// ----------------------------------------------------------------- element

class TinyWebBrowser extends Explorer {
  static style = `
    .top { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: end; }
    .top .choice { flex: 1 1 190px; } .kind { flex: 1 1 170px; }
    .kind label { display: block; font-size: 14px; margin-bottom: 4px; }
    select { font: inherit; font-size: 14px; width: 100%; min-height: 44px; padding: 4px 10px; color: inherit;
      background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
    .turn { display: flex; gap: 8px; align-items: center; justify-content: space-between; margin: 14px 0 10px; }
    .turn output { font-size: 14px; color: var(--muted); font-variant-numeric: tabular-nums; text-align: center; }
    .sheet { min-height: 13em; }
    .page { border-left: 4px solid var(--line); background: var(--wash); border-radius: 0 8px 8px 0; padding: 12px 16px;
      font-family: var(--anatomy-serif, Georgia, serif); font-size: 17px; line-height: 1.5; }
    .page p { margin: 0 0 6px; } .page p:last-child { margin: 0; }
    .page .heading { font-weight: 650; }
    .speaker { font-family: var(--pst-font-family-base, system-ui, sans-serif); font-size: 14px; font-weight: 650; color: var(--new-text); margin-right: 6px; }
    .prompt { border-left-color: var(--new); }
    .about { margin: 6px 0 12px; font-size: 14px; color: var(--muted); }
    .answers { list-style: none; margin: 0; padding: 0; display: grid; gap: 8px; }
    .answer { border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px 12px; }
    .answer .said { margin: 0; font-family: var(--anatomy-serif, Georgia, serif); font-size: 16px; }
    .score { display: grid; grid-template-columns: 4.2em 1fr; gap: 12px; align-items: center; margin-top: 8px; font-size: 14px; }
    .score strong { font-variant-numeric: tabular-nums; white-space: nowrap; }
    .track { position: relative; height: 10px; border-radius: 5px; background: var(--grid); overflow: hidden; }
    .track i { position: absolute; top: 0; bottom: 0; background: var(--good); }
    .track i.minus { background: var(--bad); }
    .track::after { content: ""; position: absolute; left: calc(50% - 1px); top: 0; bottom: 0; width: 2px; background: var(--muted); }
    .parts { margin: 6px 0 0; font-size: 14px; color: var(--muted); }
    .parts b { font-weight: 600; color: var(--pst-color-text-base, inherit); font-variant-numeric: tabular-nums; white-space: nowrap; }
    .foot { margin-top: 12px; } .foot[hidden] { display: none; }
    @media print { .turn, .top { display: none; } }
  `;

  build(root) {
    this.show = "documents";
    this.kind = "all";
    this.position = 0;
    this.scores = true;
    this.select = html("select", { id: "kind", part: "kind", change: () => this.go({ kind: this.select.value }) });
    this.output = html("output", { "aria-live": "off" }); // the sheet is read out
    this.sheet = html("div", { class: "sheet", "aria-live": "polite" });
    this.hide = button("Hide the scores and judge first", () => this.go({ scores: !this.scores, stay: true }), { part: "hide" });
    this.foot = html("div", { class: "buttons foot" }, this.hide);
    root.append(
      html("div", { class: "frame", role: "group", "aria-label": "TinyWeb browser" },
        html("p", { class: "title" }, "Turn over TinyWeb"),
        html("p", { class: "hint" }, "Documents are what a language model reads. Tasks are what its users ask; the answers were written by a labeller, one right and three with a fault."),
        html("div", { class: "top" },
          choice({ legend: "Show", options: [["documents", "Documents"], ["tasks", "Tasks"]], value: "documents", onChange: (show) => this.go({ show, kind: "all" }) }),
          html("div", { class: "kind" }, html("label", { for: "kind" }, "Kind"), this.select)),
        html("div", { class: "turn" },
          button("← Previous", () => this.turn(-1), { part: "previous" }), this.output,
          button("Next →", () => this.turn(1), { part: "next" })),
        this.sheet, this.foot));
    this.go({});
  }

  /** Change what is shown; anything but a hidden score starts at the first item again. */
  go({ show = this.show, kind = this.kind, scores = this.scores, stay = false }) {
    const listed = this.listed !== show;
    Object.assign(this, { show, kind, scores });
    if (!stay) this.position = 0;
    const all = this.options[show];
    if (listed) {
      this.listed = show;
      this.select.replaceChildren(
        html("option", { value: "all" }, "all kinds"),
        ...kindsOf(all).map((name) => html("option", { value: name }, nameOf(name))));
      this.select.value = kind;
    }
    this.items = all.filter((item) => kind === "all" || item.kind === kind);
    this.foot.hidden = show === "documents";
    this.hide.textContent = scores ? "Hide the scores and judge first" : "Show the gold scores";
    this.render();
  }

  turn(change) {
    this.position = step(this.position, change, this.items.length);
    this.render();
  }

  render() {
    const item = this.items[this.position];
    this.output.textContent = `${this.position + 1} of ${this.items.length}`;
    this.sheet.replaceChildren(...(this.show === "documents" ? this.document(item) : this.task(item)));
  }

  document({ kind, lines }) {
    const paragraphs = lines.map((line, index) => {
      const { speaker, words } = speech(line);
      if (speaker) return html("p", {}, html("span", { class: "speaker" }, speaker), words);
      return html("p", { class: index === 0 && lines.length > 1 ? "heading" : null }, words);
    });
    return [html("p", { class: "about" }, `A document of the kind “${nameOf(kind)}”.`), html("div", { class: "page" }, paragraphs)];
  }

  task({ kind, prompt, user, split, note, answers }) {
    return [
      html("div", { class: "page prompt" }, html("p", {}, html("span", { class: "speaker" }, `User ${user}`), prompt)),
      html("p", { class: "about" }, `Kind: ${nameOf(kind)}. Split: ${split}. ${note}`),
      html("ul", { class: "answers" }, answers.map((answer) => this.answer(answer))),
    ];
  }

  answer({ text, score, verdict, parts }) {
    const said = html("p", { class: "said" }, text);
    if (!this.scores) return html("li", { class: "answer" }, said);
    const { start, width } = bar(score);
    const reasons = parts.flatMap(([reason, points], index) => [index ? ", " : "", html("b", {}, signed(points)), ` ${reason}`]);
    return html("li", { class: "answer" }, said,
      html("div", { class: "score" },
        html("strong", {}, signed(score)),
        html("div", { class: "track", role: "img", "aria-label": `gold score ${signed(score)} between −1 and 1, ${verdict}` },
          html("i", { class: score < 0 ? "minus" : null, style: `left:${start}%;width:${width}%` }))),
      html("p", { class: "parts" }, reasons));
  }
}

define("anatomy-tinyweb-browser", TinyWebBrowser);
