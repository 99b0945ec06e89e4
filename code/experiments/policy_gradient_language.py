"""Why nobody runs DQN over 50,000 tokens, on a language of 12 and one of 96.

Double DQN and A2C write the same number of texts, each from nothing and from a language
model that has read plausible texts. A policy *is* a language model: its logits can
begin with the model's. Q-values are another quantity, and the noise of ε-greedy
is any token of the vocabulary.

    python code/experiments/policy_gradient_language.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from anatomy.algorithms.dqn import DQNConfig
from anatomy.algorithms.policy_gradient import A2C
from anatomy.envs.writing import VectorWriting, register_writing
from anatomy.losses import policy_gradient_loss
from anatomy.models.q_network import QNetwork
from learners import Watch, learn_policy, learn_values
from multiseed import SEEDS, arguments, run_all, write

VOCABULARIES, LENGTH, TEXTS = (12, 96), 6, 2_000
STEPS = TEXTS * LENGTH
DQN = replace(DQNConfig(), gamma=1.0, epsilon_steps=STEPS // 4, warm_up=500, updates=8)
PG = replace(A2C, gamma=1.0, steps=LENGTH + 1, learning_rate=1e-2)  # + 1: the reset
NAMES = ("DQN", "DQN from the language model", "A2C", "A2C from the language model")


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    name: str
    vocabulary: int
    config: Any
    seed: int
    steps: int


def language_model(world: VectorWriting, seed: int) -> QNetwork:
    """Next-token logits for every prefix, by cross-entropy on plausible texts."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = QNetwork(world.single_observation_space.shape[0], world.vocabulary)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(300):
        texts = world.plausible_texts(64, generator=rng)
        place = rng.integers(world.length, size=len(texts))
        prefix = np.where(np.arange(world.length + 1) <= place[:, None], texts, -1)
        following = torch.tensor(texts[np.arange(len(texts)), place + 1])
        loss = F.cross_entropy(model(torch.tensor(world.observe(prefix))), following)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def train(run: Run) -> dict[str, Any]:
    env = register_writing(run.vocabulary)
    begin = None
    if "language model" in run.name:
        model = language_model(VectorWriting(vocabulary=run.vocabulary), run.seed)

        def begin(network: Any) -> None:
            layers = getattr(network, "actor", None) or network.layers
            layers.load_state_dict(model.layers.state_dict())

    watch = Watch(env, min(STEPS // 12, run.steps), run.seed, episodes=64)
    how: dict[str, Any] = {"seed": run.seed, "steps": run.steps, "watch": watch, "begin": begin}
    if run.name.startswith("DQN"):
        return learn_values(env, run.config, reward_scale=1.0, **how)
    return learn_policy(env, run.config, policy_loss=policy_gradient_loss, **how)


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv, seeds=SEEDS[:5])
    names = [name for name in NAMES if options.only in name]
    steps = options.steps or STEPS
    runs = [
        Run(name, vocabulary, DQN if name.startswith("DQN") else PG, seed, steps)
        for vocabulary in VOCABULARIES
        for name in names
        for seed in options.seeds
    ]
    done = run_all("policy_gradient_language", train, runs, workers=options.workers)
    data: dict[str, Any] = {}
    for vocabulary in VOCABULARIES:
        data[str(vocabulary)] = block = {}
        for name in names:
            results = [
                d["rows"]
                for d, run in zip(done, runs, strict=True)
                if (run.vocabulary, run.name) == (vocabulary, name)
            ]
            milestones = min(map(len, results))
            block[name] = {"texts": [row["steps"] // LENGTH for row in results[0][:milestones]]}
            for key, column in (("training", "return"), ("tested", "tested")):
                block[name][key] = [[row[column] for row in r[:milestones]] for r in results]
    write(
        "policy_gradient_language",
        {"length": LENGTH, "vocabularies": data},
        config={"steps": steps, "dqn": asdict(DQN), "a2c": asdict(PG)},
        finished=done,
        options=options,
    )
    for vocabulary, block in data.items():
        for name, cell in block.items():
            for key in ("training", "tested"):
                means = np.array(cell[key], dtype=float).mean(axis=0)
                print(f"{vocabulary:3} {name:29} {key:8}", *(f"{m:5.2f}" for m in means))


if __name__ == "__main__":
    main()
