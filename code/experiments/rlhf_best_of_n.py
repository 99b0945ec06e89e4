"""Best of n, n = 1 … 64: what the reward model thinks it gains, and what is gained.

The reward models of `rlhf_labels` choose among 64 answers of the fine-tuned model to each of
120 held-out prompts. Three of them: many clean labels, few with some noise, very few with much.
The gold score is what the answers are worth. Distance from the model is known: log n − (n−1)/n.

    python code/experiments/rlhf_best_of_n.py
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from anatomy.reporting.checkpoints import cached
from anatomy.rlhf.answers import answer, gold_scores
from anatomy.rlhf.best_of_n import expected_best, kl_bound
from anatomy.rlhf.linear_reward import features_of
from anatomy.runtime import make_generator
from anatomy.tinyweb import World, tokenizer_of
from multiseed import CACHE, arguments, run_all, write
from rlhf_labels import SEEDS, Run, keep, prepared, reward_model

SAMPLES, PROMPTS = 64, 120
CHOICES = (1, 2, 4, 8, 16, 32, 64)
PROXIES = {"5,000 labels, no noise": (5_000, 0.0), "500, 10 %": (500, 0.1), "100, 30 %": (100, 0.3)}
DRAWS = 5  # of the labels


def sampled(run: Run) -> tuple[Tensor, Tensor]:
    """Features (N, M, F) and gold (N, M) of M answers to each of N prompts; made once and kept."""
    file = CACHE / "rlhf_features" / f"{run.seed} samples.pt"
    if file.is_file():
        features, gold = torch.load(file, weights_only=True)
        return features, gold
    policy, world = cached(run.sft), World()
    tokenizer, every = tokenizer_of(world), world.evaluation_set("test")
    tasks = every[:: len(every) // PROMPTS][:PROMPTS]  # all kinds, as often as in the set
    asked = [task for task in tasks for _ in range(SAMPLES)]
    answers = answer(policy, tokenizer, asked, generator=make_generator(run.seed))
    features = features_of(policy, tokenizer, asked, answers).view(PROMPTS, SAMPLES, -1)
    gold = torch.tensor(gold_scores(world, asked, answers)).view(PROMPTS, SAMPLES)
    keep(file, (features, gold))
    return features, gold


def measured(run: Run) -> dict[str, Any]:
    """Proxy and gold of the best of n by each reward model, mean over draws of its labels."""
    pairs = prepared(run).pairs
    features, gold = sampled(run)
    out: dict[str, Any] = {
        "oracle": {"gold": [float(expected_best(gold, gold, n)[1]) for n in CHOICES]}
    }
    for name, (labels, noise) in PROXIES.items():
        curves = torch.zeros(2, DRAWS, len(CHOICES), dtype=torch.float64)
        for k in range(DRAWS):
            theta = reward_model(pairs, labels, noise, l2=run.l2, seed=1_000 * k + run.seed)
            proxy = features @ theta
            proxy = (proxy - proxy.mean()) / proxy.std()  # a score has no zero and no unit
            for place, n in enumerate(CHOICES):
                curves[:, k, place] = torch.stack(expected_best(proxy, gold, n))
        proxies, golds = curves.mean(dim=1)
        out[name] = {"proxy": proxies.tolist(), "gold": golds.tolist()}
    return {"curves": out}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, steps=False, only=False)
    runs = [Run(seed) for seed in options.seeds]
    finished = run_all("rlhf_best_of_n", measured, runs, workers=options.workers)
    curves = {
        name: {
            key: [row["curves"][name][key] for row in finished]
            for key in finished[0]["curves"][name]
        }
        for name in finished[0]["curves"]
    }
    data = {"n": CHOICES, "kl": [kl_bound(n) for n in CHOICES], "runs": curves}
    config = asdict(runs[0]) | {"samples": SAMPLES, "prompts": PROMPTS, "draws": DRAWS}
    write("rlhf_best_of_n", data, config=config, finished=finished, options=options)
    for name, found in curves.items():
        means = torch.tensor(found["gold"]).mean(dim=0).tolist()
        print(f"{name:24s} gold", " ".join(f"{value:+.3f}" for value in means))


if __name__ == "__main__":
    main()
