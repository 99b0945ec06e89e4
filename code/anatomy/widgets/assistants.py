"""The stages of the chain side by side: each answers the same prompt, and what that is worth.

    assistants = load_assistants(seed=0)            # trains what is missing, once
    exchange = assistants.ask("Where does Mia live?")

A notebook's chat and the terminal's `python -m anatomy chat` both speak through this module.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import cycle
from typing import Any

import torch

from anatomy.models.generation import generate
from anatomy.models.gpt import GPT
from anatomy.reporting.checkpoints import cached, is_cached
from anatomy.reporting.receipts import read_result
from anatomy.reporting.recipes import cache_file
from anatomy.rlhf.answers import STEPS, read
from anatomy.rlhf.reinforcement import PPO
from anatomy.rlhf.reward_model import RewardModel
from anatomy.runtime import make_generator
from anatomy.tinyweb import KINDS, WordTokenizer, World, readable, tokenizer_of
from anatomy.tinyweb.grammar import ENDS, NEWLINE
from anatomy.tinyweb.lexicon import RUDE_WORDS
from anatomy.tinyweb.recognition import recognise
from anatomy.tinyweb.tokenizer import SPECIALS

STAGES = ("base", "sft", "ppo", "ppo-ptx")
TITLES = {"base": "Base model", "sft": "SFT", "ppo": "PPO", "ppo-ptx": "PPO-ptx"}
EXAMPLE = "Where does Mia live?"
_PIECE = re.compile(r"\w+|[^\w\s]")
_QUESTION_WORDS = ("where", "what", "which", "who", "is", "in", "could")


class PromptError(ValueError):
    """A prompt that no model can be asked: why, and what to do, in one sentence."""


@dataclass(frozen=True)
class Reply:
    """What one stage answered, and what that is worth."""

    stage: str
    text: str
    ended: bool
    gold: float | None  # None: the prompt is no TinyWeb task, so nobody knows
    reasons: tuple[str, ...]
    reward: float | None  # None: there is no reward model


@dataclass(frozen=True)
class Exchange:
    """One prompt and the answers to it."""

    prompt: str
    kind: str  # of task, or ""
    temperature: float
    replies: tuple[Reply, ...]
    note: str = ""


def number(value: float | None) -> str:
    """A score with its sign, or a dash."""
    if value is None:
        return "–"
    return f"{value:+.2f}".replace("-", "−")


def brief(word: str, longest: int = 30) -> str:
    """A word as a message quotes it: cut where it is longer than any word."""
    return word if len(word) <= longest else f"{word[:longest]}…"


def read_prompt(text: str, tokenizer: WordTokenizer, *, context: int) -> str:
    """A typed prompt as TinyWeb writes it: "Where does Mia live" is "where does mia live ?".

    Raises PromptError where it is empty, too long, or not in TinyWeb's words.
    """
    if not text.strip():
        raise PromptError(f'The prompt is empty: write one, for example "{EXAMPLE}"')
    if mark := re.search(r"<\w+>", text):
        raise PromptError(
            f"{brief(mark[0])} is a mark of the chat format: leave it out of the prompt."
        )
    words = _PIECE.findall(text.lower())
    strange = next((word for word in words if word not in tokenizer.index), None)
    if strange is not None:
        near = get_close_matches(strange, tokenizer.words, n=2, cutoff=0.75)
        instead = f"did you mean {' or '.join(near)}?" if near else f'try "{EXAMPLE}"'
        known = len(tokenizer.words) - len(SPECIALS)
        raise PromptError(
            f'TinyWeb has no word "{brief(strange)}" among its {known} words: {instead}'
        )
    if words[-1] not in ENDS:
        words.append("?" if words[0] in _QUESTION_WORDS else ".")
    room = context - STEPS - len(tokenizer.encode(_chat("")))
    if len(words) > room:
        raise PromptError(
            f"The prompt has {len(words)} words and marks: cut it to {room}, because the models "
            f"read {context} at most, their answer included."
        )
    return " ".join(words)


def note_on(prompt: str) -> str:
    """What to say about a prompt beside answering it."""
    rude = [word for word in prompt.split() if word in RUDE_WORDS]
    if not rude:
        return ""
    return f'The prompt is rude ("{rude[0]}"): see which of the models stays polite.'


class Assistants:
    """Language models by stage, and a reward model to score them; they answer the same prompt."""

    def __init__(
        self,
        models: Mapping[str, GPT],
        reward_model: RewardModel | None = None,
        *,
        world: World | None = None,
        seed: int = 0,
    ) -> None:
        self.models, self.reward_model = dict(models), reward_model
        self.world = World() if world is None else world
        self.tokenizer = tokenizer_of(self.world)
        self.context = min(model.config.context for model in self.models.values())
        self._generator = make_generator(seed)

    def ask(self, text: str, *, temperature: float = 0.7) -> Exchange:
        """Let every stage answer a typed prompt. Raises PromptError."""
        if not (0 <= temperature <= 5):
            raise PromptError(f"The temperature must lie in [0, 5], got {temperature}.")
        prompt = read_prompt(text, self.tokenizer, context=self.context)
        task = recognise(self.world, prompt)
        replies = tuple(self._reply(stage, prompt, temperature) for stage in self.models)
        kind = task.kind if task else ""
        return Exchange(readable(prompt), kind, temperature, replies, note_on(prompt))

    def _reply(self, stage: str, prompt: str, temperature: float) -> Reply:
        tokenizer, stop = self.tokenizer, self.tokenizer.eos_id
        # the base model has never seen a chat: it continues the prompt as a document
        document = [stop, *tokenizer.encode(f"{prompt} {NEWLINE}")]
        chat = document if stage == "base" else self._encode(prompt)
        made = generate(
            self.models[stage],
            torch.tensor([chat]),
            STEPS,
            generator=self._generator,
            temperature=temperature,
            stop_tokens=[stop],
        )
        tokens = made.texts[0, len(chat) :][made.mask[0]].tolist()
        answer = read(tokenizer, tokens, [stop])
        task = recognise(self.world, prompt)
        gold = self.world.gold(task, answer.text, ended=answer.ended) if task else None
        return Reply(
            stage,
            readable(answer.text),
            answer.ended,
            round(gold.score, 2) if gold else None,
            tuple(part.reason for part in gold.parts) if gold else (),
            self._reward(prompt, tokens),
        )

    @torch.no_grad()
    def _reward(self, prompt: str, tokens: Sequence[int]) -> float | None:
        if self.reward_model is None:
            return None
        texts = torch.tensor([[*self._encode(prompt), *tokens]])
        score = float(self.reward_model(texts, torch.ones(1, len(tokens), dtype=torch.bool)))
        return round(score, 2) if math.isfinite(score) else None

    def _encode(self, prompt: str) -> list[int]:
        return self.tokenizer.encode(_chat(prompt))

    def examples(self, seed: int = 0) -> Iterator[str]:
        """Prompts of the development split without end, one kind after the other."""
        streams = [self.world.tasks("dev", seed, kind=kind) for kind in KINDS]
        for stream in cycle(streams):
            yield readable(next(stream).prompt)


def _chat(prompt: str) -> str:
    return f"<user> : {prompt} {NEWLINE} <bot> :"


# ------------------------------------------------------------------- the chain


def recipes(seed: int = 0) -> dict[str, Any]:
    """The stages of the chain that belong to a seed, in the order in which they are trained."""
    ppo = PPO.of_seed(seed)
    return {
        "base": ppo.sft.base,
        "sft": ppo.sft,
        "reward": ppo.reward,
        "ppo": ppo,
        "ppo-ptx": PPO.of_seed(seed, ptx_coef=1.0),
    }


def needed(stages: Sequence[str]) -> list[str]:
    """The stages of the chain that these need, in order; PPO needs the reward model."""
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown or not stages:
        raise ValueError(f"the stages are {', '.join(STAGES)}, not {', '.join(unknown) or 'none'}")
    order = list(recipes())
    last = max(order.index(stage) for stage in stages)
    return [name for name in order[: last + 1] if name != "ppo" or "ppo" in stages]


def missing(stages: Sequence[str] = STAGES, *, seed: int = 0) -> list[str]:
    """What would have to be trained first."""
    chain = recipes(seed)
    return [name for name in needed(stages) if not is_cached(chain[name])]


def training_notice(stages: Sequence[str]) -> str:
    """What will be trained and how long that takes, for whoever waits."""
    names = {**TITLES, "reward": "reward model"}
    minutes = training_minutes(stages)
    time = "some minutes" if minutes is None else f"about {max(2, math.ceil(minutes))} minutes"
    return (
        f"Not trained on this machine yet: {', '.join(names[stage] for stage in stages)}. "
        f"That takes {time}, once; then they are kept in {cache_file(recipes()['base']).parent}."
    )


def training_minutes(stages: Sequence[str]) -> float | None:
    """How long these stages took on one core when the book's results were made."""
    try:
        seconds = read_result("instructgpt")["training cpu seconds"]
        measured = [seconds["reward model" if s == "reward" else s]["mean"] for s in stages]
    except (ValueError, KeyError):
        return None
    return sum(measured) / 60


def load_assistants(stages: Sequence[str] = STAGES, *, seed: int = 0) -> Assistants:
    """Load the stages, after training those that are missing; each shows its progress.

    The reward model comes along where a stage needs it or it is there already.
    """
    chain, wanted = recipes(seed), needed(stages)
    trained = {name: cached(chain[name]) for name in wanted}
    models = {
        stage: trained[stage].policy if stage.startswith("ppo") else trained[stage]
        for stage in STAGES
        if stage in stages
    }
    if "reward" not in trained and is_cached(chain["reward"]):
        trained["reward"] = cached(chain["reward"])
    return Assistants(models, trained.get("reward"), seed=seed)
