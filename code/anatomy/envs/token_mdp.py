"""A language of three tokens as a Markov decision process.

State: the prefix. Action: the next token. Transition: concatenation. Reward: a
score of the finished text, and 0 before. What a language model with 50,000
tokens does is this table, only longer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from anatomy.envs.mdp import MDP

Prefix = tuple[int, ...]
Score = Callable[[Prefix], float]
TOKENS = ("very", "good", ".")  # the last one ends a text
VERY, GOOD, END = range(3)
LONGEST = 400  # prefixes; beyond that a table is the wrong tool


def praise(text: Prefix) -> float:
    """The judge of this language: "good ." is worth 1, and each "very" before it 1 more.

    The empty text "." is worth 0 and everything else −1, a text that was not ended
    included.
    """
    *words, last = text
    if text == (END,):
        return 0.0
    if last == END and words[-1:] == [GOOD] and all(word == VERY for word in words[:-1]):
        return float(len(words))
    return -1.0


def append_token(
    prefix: Prefix, token: int, *, end_token: int, max_length: int, score: Score
) -> tuple[Prefix, float, bool]:
    """One step of writing: the longer prefix, its reward, and whether the text is complete.

    The text is complete with the end token, or when it has `max_length` tokens. Only
    then is it scored. The limit is a rule of this language, and the prefix shows
    how near it is: reaching it is a termination, not a truncation.
    """
    text = (*prefix, token)
    complete = token == end_token or len(text) == max_length
    return text, score(text) if complete else 0.0, complete


def language_mdp(
    tokens: tuple[str, ...] = TOKENS,
    *,
    max_length: int = 3,
    score: Score = praise,
    step: Callable[..., tuple[Prefix, float, bool]] = append_token,
) -> tuple[MDP, list[Prefix]]:
    """Every text of the language as a table, and the prefix that each state stands for.

    Prefixes are numbered level by level, the empty one is state 0. The last of
    `tokens` ends a text. Raises ValueError when there are too many to count.
    """
    if len(tokens) < 2 or max_length < 1:
        raise ValueError("a language needs a word, an end token and texts of at least one token")
    rules = {"end_token": len(tokens) - 1, "max_length": max_length, "score": score}
    prefixes: list[Prefix] = [()]
    complete: dict[Prefix, bool] = {(): False}
    steps: dict[tuple[Prefix, int], tuple[Prefix, float]] = {}
    for prefix in prefixes:  # grows while it is read
        if complete[prefix]:
            continue
        for token in range(len(tokens)):
            text, reward, ended = step(prefix, token, **rules)
            if text not in complete:
                prefixes.append(text)
                complete[text] = ended
            steps[prefix, token] = text, reward
        if len(prefixes) > LONGEST:
            raise ValueError(
                f"more than {LONGEST} prefixes: a table is the wrong tool; "
                "shorten max_length or use fewer tokens"
            )
    number = {prefix: state for state, prefix in enumerate(prefixes)}
    count = len(prefixes)
    transition, reward_of = np.zeros((count, len(tokens), count)), np.zeros((count, len(tokens)))
    for prefix, state in number.items():
        for token in range(len(tokens)):
            text, reward = steps.get((prefix, token), (prefix, 0.0))
            transition[state, token, number[text]] = 1
            reward_of[state, token] = reward
    mdp = MDP(
        transition=transition,
        reward=reward_of,
        terminal=np.array([complete[prefix] for prefix in prefixes]),
        states=tuple(" ".join(tokens[t] for t in prefix) or "(empty)" for prefix in prefixes),
        actions=tuple(tokens),
    )
    return mdp, prefixes


class TokenMDP(gymnasium.Env):
    """Write a text token by token. An observation is the number of a prefix.

    `mdp` is the exact environment model, and `mdp.states` are the prefixes in words.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (declared so by gymnasium)

    def __init__(
        self,
        tokens: tuple[str, ...] = TOKENS,
        *,
        max_length: int = 3,
        score: Score = praise,
        render_mode: str | None = None,
    ) -> None:
        self.mdp, self.prefixes = language_mdp(tokens, max_length=max_length, score=score)
        self.number = {prefix: state for state, prefix in enumerate(self.prefixes)}
        self.tokens, self.max_length, self.score = tuple(tokens), max_length, score
        self.render_mode = render_mode
        self.observation_space = spaces.Discrete(len(self.prefixes))
        self.action_space = spaces.Discrete(len(tokens))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.prefix: Prefix = ()
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.prefix, reward, complete = append_token(
            self.prefix,
            int(action),
            end_token=len(self.tokens) - 1,
            max_length=self.max_length,
            score=self.score,
        )
        return self.number[self.prefix], reward, complete, False, {}

    def render(self) -> str | None:
        """The text so far."""
        return self.mdp.states[self.number[self.prefix]] if self.render_mode == "ansi" else None
