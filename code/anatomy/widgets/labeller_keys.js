// Keys for the labeller of a notebook: an arrow or a number presses the button that it
// stands for. One listener serves all labellers of a page, also those shown later. It sits
// on the window, in the capture phase, so that it hears a key before JupyterLab's and the
// classic notebook's shortcuts do, and it takes only keys pressed inside a labeller.
(() => {
  if (window.anatomyLabellerKeys) return;
  window.anatomyLabellerKeys = true;
  const names = {
    ArrowLeft: "left", 1: "left", ArrowRight: "right", 2: "right",
    ArrowUp: "equal", 3: "equal", ArrowDown: "skip", 4: "skip", Backspace: "undo",
  };
  const labellerOf = (target) => target?.closest?.(".anatomy-labeller") ?? null;
  let last = null; // where the reader is, also when a button with the focus is switched off
  const typing = (target) => target.matches("textarea, select, [contenteditable], input:not([type=checkbox])");

  window.addEventListener("keydown", (event) => {
    const lost = event.target === document.body && last?.isConnected ? last : null;
    const labeller = labellerOf(event.target) ?? lost;
    const name = names[event.key];
    if (!labeller || !name || typing(event.target)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const button = labeller.querySelector(`.anatomy-answer-${name}`);
    if (!event.repeat && button && !button.disabled) button.click();
  }, true);

  // A press anywhere in the labeller gives it the focus, so that the keys work. A button that is
  // pressed passes the focus on: after the last pair it is switched off and would drop it, and
  // the next key would be one of the notebook's shortcuts.
  window.addEventListener("pointerdown", (event) => {
    last = labellerOf(event.target);
    if (last) last.tabIndex = -1; // the browser now moves the focus here by itself
  }, true);
  window.addEventListener("focusin", (event) => { last = labellerOf(event.target); }, true);
  window.addEventListener("click", (event) => {
    const labeller = labellerOf(event.target);
    const byPointer = event.detail > 0 && event.target.closest("button");
    setTimeout(() => {
      if (!labeller?.isConnected) return;
      if (byPointer || !labeller.contains(document.activeElement)) labeller.focus({ preventScroll: true });
    });
  }, true);
})();
