"""What each step of the ladder does to the variance of the policy gradient, on a fixed policy.

REINFORCE trains a policy for a few batches; then it stays as it is. A critic learns its
values from other episodes. On 256 fresh ones the gradient of each episode is
taken with every Ψ, from the same actions, so that only Ψ differs. "variance" is the trace of the
covariance of one episode's gradient, "signal" the squared length of the mean gradient
without what chance adds to it. Their ratio is the number of episodes whose mean has
as much noise as signal.

    python code/experiments/policy_gradient_variance.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from anatomy.algorithms.policy_gradient import (
    REINFORCE,
    reward_to_go,
    row_gradients,
    total_return,
)
from anatomy.algorithms.ppo import judge, make_optimizer, update
from anatomy.envs import make_envs
from anatomy.envs.episodes import play_episodes
from anatomy.estimators import explained_variance, gae
from anatomy.losses import policy_gradient_loss, value_loss
from anatomy.masking import masked_mean
from anatomy.models.actor_critic import CategoricalActorCritic
from anatomy.rollout import Batch, Rollout
from anatomy.runtime import initial_weights, make_generator
from multiseed import arguments, run_all, write

ENV, EPISODES, BATCHES = "CartPole-v1", 256, 10
CONFIG = replace(REINFORCE, gamma=0.99)
LADDER = (
    "total return",
    "reward-to-go",
    "reward-to-go − mean",
    "reward-to-go − V(s)",
    "GAE, λ = 0.95",
    "TD error (λ = 0)",
)


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    seed: int
    episodes: int


def weigh(name: str, rollout: Rollout) -> Batch:
    """The rollout with the Ψ of that name as its advantages."""
    if name == "total return":
        return judge(rollout, CONFIG, advantage_fn=total_return)
    to_go = judge(rollout, CONFIG, advantage_fn=reward_to_go)
    if name == "reward-to-go":
        return to_go
    if name == "reward-to-go − mean":
        mean = masked_mean(to_go.advantages, rollout.mask)
        return replace(to_go, advantages=to_go.advantages - mean)
    gae_lambda = {"reward-to-go − V(s)": 1.0, "GAE, λ = 0.95": 0.95, "TD error (λ = 0)": 0.0}
    return judge(rollout, replace(CONFIG, gae_lambda=gae_lambda[name]), advantage_fn=gae)


def fit_critic(policy: CategoricalActorCritic, rollout: Rollout, *, rounds: int = 200) -> None:
    """Least squares of V(s_t) on G_t, on episodes of their own."""
    batch = judge(rollout, CONFIG, advantage_fn=reward_to_go).flatten()
    optimizer = torch.optim.Adam(policy.critic.parameters(), lr=1e-2, fused=True)
    for _ in range(rounds):
        values = policy.values(batch.observations)
        loss = value_loss(values, values, batch.advantages).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def measure(run: Run) -> dict[str, Any]:
    envs, generator = make_envs(ENV, 16), make_generator(run.seed)
    with initial_weights(run.seed):
        policy = CategoricalActorCritic(4, 2, (32,))
    optimizer = make_optimizer(policy, REINFORCE)
    envs.reset(seed=run.seed)
    for _ in range(BATCHES):
        batch = judge(play_episodes(policy, envs, generator), CONFIG, advantage_fn=reward_to_go)
        update(
            policy, optimizer, batch.flatten(), CONFIG, generator,
            policy_loss=policy_gradient_loss,
        )  # fmt: skip
    many = make_envs(ENV, run.episodes)
    fit_critic(policy, play_episodes(policy, many, generator, seed=run.seed))
    policy.critic.requires_grad_(False)
    rollout = play_episodes(policy, many, generator)
    to_go = judge(rollout, CONFIG, advantage_fn=reward_to_go)
    explained = explained_variance(rollout.values, to_go.advantages, rollout.mask)
    rungs, means = {}, {}
    for name in LADDER:
        gradients = row_gradients(policy, weigh(name, rollout)).double().numpy()  # (B, P)
        means[name] = gradients.mean(axis=0)
        variance = gradients.var(axis=0, ddof=1).sum()
        signal = float((means[name] ** 2).sum() - variance / len(gradients))
        rungs[name] = {"variance": float(variance), "signal": signal}
    true_ish = means["reward-to-go − V(s)"]  # unbiased, and the least noisy that is
    for name, rung in rungs.items():
        along = means[name] @ true_ish / np.linalg.norm(means[name]) / np.linalg.norm(true_ish)
        rung["cosine"] = float(along)
    return {
        "rungs": rungs,
        "mean_return": float(rollout.rewards.sum(dim=1).mean()),
        "explained_variance": explained.item(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv, only=False)
    runs = [Run(seed, options.steps or EPISODES) for seed in options.seeds]
    done = run_all("policy_gradient_variance", measure, runs, workers=options.workers)
    data = {
        name: {
            key: [d["rungs"][name][key] for d in done] for key in ("variance", "signal", "cosine")
        }
        for name in LADDER
    }
    rest = {key: [d[key] for d in done] for key in ("mean_return", "explained_variance")}
    write(
        "policy_gradient_variance",
        {"env": ENV, "ladder": data, **rest},
        config={"episodes": EPISODES, "batches": BATCHES, "ppo": asdict(CONFIG)},
        finished=done,
        options=options,
    )
    print(rest)
    for name, rung in data.items():
        share = np.array(rung["variance"]) / data["total return"]["variance"]
        print(
            f"{name:22} variance {np.mean(share):.3f} of the first, "
            f"signal {np.median(rung['signal']):.3g}, cosine {np.mean(rung['cosine']):.2f}"
        )


if __name__ == "__main__":
    main()
