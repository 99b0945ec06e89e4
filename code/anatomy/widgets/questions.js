// Questions that answer back: a quiz that explains the option that was chosen,
// and a prediction that the reader commits to before the reveal opens. Without
// JavaScript the reader sees the light DOM instead, a list of <details>.
import { Explorer, button, define, html } from "./kit.js";

// ------------------------------------------------------------------- state

/** What a quiz says about an option: heading and whether to go on. */
export const verdict = (correct) => (correct ? "Right." : "Not this one.");

const QUESTION_STYLE = `
  .question { font-weight: 650; font-size: 16px; padding: 0; margin: 0 0 8px; width: 100%; }
  .question p { margin: 0 0 4px; font-weight: 650; }
  .kind { display: block; font-size: 12px; letter-spacing: 0.05em; text-transform: uppercase; color: var(--muted); font-weight: 600; }
  .option { display: grid; grid-template-columns: 18px 1fr auto; align-items: start; gap: 4px 12px; min-height: 44px; padding: 9px 12px; margin: 6px 0;
    border: 1px solid var(--line); border-radius: 8px; cursor: pointer; }
  .option:hover { border-color: var(--new); }
  .option:has(input:checked) { border-color: var(--new); box-shadow: inset 0 0 0 1px var(--new);
    background: color-mix(in srgb, var(--new) 9%, transparent); }
  .option:has(input:focus-visible) { outline: 3px solid var(--new); outline-offset: 2px; }
  .option:has(input:disabled) { cursor: default; }
  .option:has(input:disabled):not(:has(input:checked)):not(.right) { opacity: 0.75; }
  .option input { flex: none; width: 18px; height: 18px; margin: 2px 0 0; accent-color: var(--new); }
  .option input:focus-visible { outline: none; }
  .option .mark { font-weight: 650; white-space: nowrap; } .option .mark:empty { display: none; }
  @container (max-width: 420px) { .option .mark { grid-column: 2; } }
  .option.right { border-color: var(--good); } .option.right .mark { color: var(--good-text); }
  .option.wrong .mark { color: var(--bad-text); }
  .feedback { margin-top: 10px; }
  .feedback:empty { display: none; }
  .feedback .say { min-height: 0; margin: 0; }
  .feedback .right { border-left-color: var(--good); } .feedback .wrong { border-left-color: var(--bad); }
  .say p, .reveal p { margin: 0 0 6px; } .say p:last-child, .reveal p:last-child { margin: 0; }
  .others { margin: 0; padding: 0 0 4px 18px; } .others li { margin: 6px 0; } .others p { display: inline; }
  .reveal { margin-top: 12px; } .reveal h4 { margin: 12px 0 4px; font-size: 14px; font-weight: 650; }
  code { font-family: var(--pst-font-family-monospace, ui-monospace, monospace); font-size: 0.92em;
    background: var(--wash); padding: 1px 4px; border-radius: 4px; }
  .buttons { margin-top: 10px; }
  button.main { background: var(--new); border-color: var(--new); color: var(--paper); font-weight: 650; }
  @media print { .question { break-after: avoid; } }
`;

class Question extends Explorer {
  static style = QUESTION_STYLE;

  choices(kind, groupName) {
    const fragment = (markup, tag = "span", className = null) => {
      const element = html(tag, { class: className });
      element.innerHTML = markup;
      return element;
    };
    this.fragment = fragment;
    this.words = this.options; // question, options and reveal as HTML from the Python side
    this.inputs = [];
    this.labels = this.words.options.map((option, index) => {
      const input = html("input", { type: "radio", name: groupName, value: index, change: () => this.onChoose() });
      this.inputs.push(input);
      return html("label", { class: "option" }, input, fragment(option.text), html("span", { class: "mark" }));
    });
    const legend = html("legend", { class: "question" }, html("span", { class: "kind" }, kind), fragment(this.words.question));
    this.feedback = html("div", { class: "feedback", "aria-live": "polite", "aria-atomic": "true" });
    this.choicesField = html("fieldset", {}, legend, this.labels);
  }

  chosen() {
    return this.inputs.findIndex((input) => input.checked);
  }

  onChoose() {
    this.main.disabled = false;
  }
}

class Quiz extends Question {
  build(root) {
    this.choices("Quiz", "answer");
    this.main = button("Check", () => this.check(), { class: "main", disabled: true, part: "check" });
    root.append(html("div", { class: "frame" }, this.choicesField, html("div", { class: "buttons" }, this.main), this.feedback));
  }

  onChoose() {
    super.onChoose();
    this.feedback.replaceChildren();
  }

  check() {
    const index = this.chosen();
    const { options } = this.words;
    const { correct, explanation } = options[index];
    const label = this.labels[index];
    label.classList.add(correct ? "right" : "wrong");
    label.querySelector(".mark").textContent = correct ? "✓ right" : "✗ no";
    const say = html("div", { class: `say ${correct ? "right" : "wrong"}` }, html("strong", {}, `${correct ? "✓" : "✗"} ${verdict(correct)} `), this.fragment(explanation));
    this.feedback.replaceChildren(say);
    if (correct) {
      const others = options.filter((option) => !option.correct);
      this.feedback.append(
        html("details", {}, html("summary", {}, others.length === 1 ? "Why the other one is wrong" : "Why the others are wrong"),
          html("ul", { class: "others" }, others.map((option) =>
            html("li", {}, html("strong", {}, this.fragment(option.text)), ": ", this.fragment(option.explanation))))),
      );
    }
  }
}

class Predict extends Question {
  build(root) {
    this.choices("Predict, then reveal", "guess");
    this.main = button("This is my guess", () => this.commit(), { class: "main", disabled: true, part: "commit" });
    this.buttons = html("div", { class: "buttons" }, this.main);
    root.append(html("div", { class: "frame" }, this.choicesField, this.buttons, this.feedback));
  }

  commit() {
    const index = this.chosen();
    const { options, reveal } = this.words;
    for (const input of this.inputs) input.disabled = true;
    this.labels.forEach((label, i) => {
      const { correct } = options[i];
      if (correct) label.classList.add("right");
      label.querySelector(".mark").textContent = correct ? "✓ what happens" : i === index ? "your guess" : "";
    });
    const { correct, explanation } = options[index];
    const others = options.filter((option, i) => i !== index && !option.correct);
    const say = html("div", { class: `say ${correct ? "right" : "wrong"}`, tabindex: -1 },
      html("strong", {}, correct ? "✓ As you guessed. " : "✗ It comes out differently. "), this.fragment(explanation));
    this.feedback.replaceChildren(
      say,
      html("div", { class: "reveal" }, this.fragment(reveal, "div")),
      ...(others.length === 0 ? [] : [html("details", {}, html("summary", {}, "What the other guesses overlook"),
        html("ul", { class: "others" }, others.map((option) =>
          html("li", {}, html("strong", {}, this.fragment(option.text)), ": ", this.fragment(option.explanation)))))]),
    );
    this.buttons.remove(); // the guess stands; the focus goes on to what it opened
    say.focus({ preventScroll: true });
  }
}

define("anatomy-quiz", Quiz);
define("anatomy-predict", Predict);
