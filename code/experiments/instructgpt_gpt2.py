"""The chain on published weights and published comparisons: GPT-2 and HH-RLHF.

    python code/experiments/instructgpt_gpt2.py --out runs/gpt2
    torchrun --nproc_per_node=8 code/experiments/instructgpt_gpt2.py --out runs/gpt2
    torchrun --nproc_per_node=8 code/experiments/instructgpt_gpt2.py --out runs/xl \\
        --model openai-community/gpt2-xl --shard

SFT on the preferred answers, a reward model from the pairs, PPO on the prompts: the
functions of the book, on weights and labels of others. Several processes share each batch,
with a copy of the model each (DDP), or with a share of it each (`--shard`, FSDP). A finished
stage is kept in `--out` and not repeated. Weights and data come from the Hugging Face hub,
or from folders with the same files.

How it departs from InstructGPT: one comparison per prompt, no rankings; no PPO-ptx, for GPT-2's
training text was not published; the value network starts from the reward model, as there.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anatomy.algorithms import ppo
from anatomy.masking import masked_mean
from anatomy.models.actor_critic import Evaluation
from anatomy.models.bpe import BytePairTokenizer
from anatomy.models.generation import left_pad
from anatomy.models.gpt import GPT
from anatomy.models.heads import TextActorCritic
from anatomy.models.packing import response_logprobs
from anatomy.models.pretrained import GPT2, PretrainedError, load_gpt2
from anatomy.models.pretraining import cosine
from anatomy.reporting import progress
from anatomy.reporting.checkpoints import load_checkpoint, save_checkpoint
from anatomy.rlhf.preferences import bradley_terry_loss
from anatomy.rlhf.published import HH_RLHF, Comparison, PublishedDataError, load_comparisons
from anatomy.rlhf.respond import respond, scored_by
from anatomy.rlhf.reward_model import RewardModel
from anatomy.runtime import (
    autocast,
    choose_device,
    clip_gradients,
    distributed,
    gathered,
    initial_weights,
    make_generator,
    replicate,
    shard,
)

END = "<|endoftext|>"  # ends an answer and pads a text: GPT-2 has no other special token
ACTING = ("evaluate", "logprobs", "values", "generate")


@dataclass(frozen=True)
class Run:
    """Where the stages stand: what they share, and which share of the work is this process's."""

    options: argparse.Namespace
    tokenizer: BytePairTokenizer
    device: torch.device
    rank: int
    processes: int

    @property
    def end(self) -> int:
        """The token that ends an answer."""
        return self.tokenizer.specials[END]

    def file(self, stage: str) -> Path:
        """Where a finished stage is kept."""
        return Path(self.options.out) / f"{stage}.safetensors"

    def mine(self, items: Sequence[Any]) -> Sequence[Any]:
        """This process's share of a batch."""
        return items[self.rank :: self.processes]


# --- data ------------------------------------------------------------------------------


def usable(run: Run, pairs: Sequence[Comparison], context: int) -> list[Comparison]:
    """Comparisons that fit the context, and whose two answers differ."""

    def fits(pair: Comparison) -> bool:
        prompt = len(run.tokenizer.encode(pair.prompt))
        answers = (pair.preferred, pair.rejected)
        longest = max(len(run.tokenizer.encode(answer)) for answer in answers)
        return prompt + max(longest + 1, run.options.answer) <= context

    return [pair for pair in pairs if pair.preferred != pair.rejected and fits(pair)]


def rectangle(run: Run, prompts: Sequence[str], answers: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Texts (B, P + T) and the mask (B, T) of the answers, each with its end."""
    starts, _ = left_pad([run.tokenizer.encode(prompt) for prompt in prompts], pad_token=run.end)
    tokens = [[*run.tokenizer.encode(answer), run.end] for answer in answers]
    lengths = torch.tensor([len(answer) for answer in tokens])
    responses = torch.full((len(tokens), int(lengths.max())), run.end)
    for row, answer in zip(responses, tokens, strict=True):
        row[: len(answer)] = torch.tensor(answer)
    mask = torch.arange(responses.shape[1]) < lengths[:, None]
    return torch.cat([starts, responses], dim=1).to(run.device), mask.to(run.device)


def batches(run: Run, pairs: Sequence[Comparison], steps: int) -> Iterator[list[Comparison]]:
    """Batches of all processes together, the same in each; every epoch in another order."""
    rng, size, waiting = random.Random(run.options.seed), run.options.batch, []
    for _ in range(steps):
        while len(waiting) < size:
            waiting += rng.sample(list(pairs), len(pairs))
        yield waiting[:size]
        waiting = waiting[size:]


# --- several processes -----------------------------------------------------------------


class Objective(nn.Module):
    """A module whose `forward` is `function(module, …)`: DDP averages what a forward pass used."""

    def __init__(self, module: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.module = module
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        """Call the function."""
        return self.function(self.module, *inputs)


class Replica:
    """An actor-critic as `ppo.update` sees it, its gradients averaged over the processes."""

    def __init__(self, actor: TextActorCritic) -> None:
        self.actor = actor
        self.objective = replicate(Objective(actor, TextActorCritic.evaluate))

    def evaluate(self, observations: Tensor, actions: Tensor) -> Evaluation:
        """As the actor-critic's."""
        return self.objective(observations, actions)

    def parameters(self) -> Iterator[nn.Parameter]:
        """As the actor-critic's."""
        return self.actor.parameters()


def spread(run: Run, objective: Objective, blocks: Sequence[nn.Module]) -> nn.Module:
    """The objective over all processes: sharded if asked for, else one copy in each."""
    if run.options.shard and run.processes > 1:
        shard(objective, blocks)
        return objective
    return replicate(objective)


def reward_model_of(run: Run, policy: GPT) -> RewardModel:
    """A scalar head on a copy of the policy, which takes GPT-2's end token for padding."""
    return RewardModel(policy, surprise=False, pad_token=run.end)


def keep(run: Run, stage: str, module: nn.Module, blank: nn.Module, extra: dict[str, Any]) -> None:
    """Write a finished stage: its weights, put together if they are sharded, in `blank`."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    whole = get_model_state_dict(module, options=StateDictOptions(full_state_dict=True))
    if run.rank == 0:
        blank.load_state_dict(whole)
        config = {"stage": stage, "model": str(run.options.model)}
        save_checkpoint(run.file(stage), blank, config=config, seed=run.options.seed, extra=extra)
        print(f"{stage}: {json.dumps(extra)}", flush=True)
    if run.processes > 1:
        torch.distributed.barrier()


# --- the stages ------------------------------------------------------------------------


def descend(
    run: Run, model: nn.Module, pairs: Sequence[Comparison], steps: int, loss_of: Callable[..., Any]
) -> dict[str, float]:
    """Steps of AdamW on `loss_of(batch of all, share of this process)`; return what it took."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.options.learning_rate)
    began, tokens, last = time.perf_counter(), 0, []
    each = enumerate(batches(run, pairs, steps))
    for step, batch in progress(each, "steps", total=steps) if run.rank == 0 else each:
        with autocast(run.device, enabled=run.options.half):
            loss, read = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        norm = clip_gradients(model.parameters(), 1.0)
        if not torch.isfinite(norm + loss.detach()):  # else NaN would be kept as a finished stage
            raise FloatingPointError(
                f"step {step}: the loss or its gradient is not finite; lower --learning-rate"
            )
        for group in optimizer.param_groups:
            group["lr"] = run.options.learning_rate * cosine(step, steps, warmup=min(20, steps))
        optimizer.step()
        tokens, last = tokens + read, [*last[-19:], loss.item()]
    seconds = time.perf_counter() - began
    return {"loss": sum(last) / len(last), "tokens/s": tokens / seconds, "seconds": seconds}


def supervised(run: Run, model: GPT, pairs: Sequence[Comparison]) -> None:
    """Step 1: the preferred answers are the demonstrations."""
    objective = Objective(
        model, lambda gpt, texts, mask: response_logprobs(gpt, texts, mask, pad_token=run.end)
    )
    blank = copy.deepcopy(model)
    parallel = spread(run, objective, list(model.blocks))

    def loss_of(batch: Sequence[Comparison]) -> tuple[Tensor, int]:
        texts, mask = rectangle(run, *zip(*((p.prompt, p.preferred) for p in batch), strict=True))
        own, counted = run.mine(texts), run.mine(mask)
        # each token of the whole batch counts alike, whoever reads it
        share = run.processes * counted.sum() / mask.sum()
        return -share * masked_mean(parallel(own, counted), counted), texts.numel()

    stats = descend(run, model, pairs, run.options.sft_steps, loss_of)
    keep(run, "sft", model, blank, stats)


def rewarded(run: Run, model: RewardModel, pairs: Sequence[Comparison]) -> None:
    """Step 2: a scalar head on the SFT model, trained on pairs."""
    model.head.bias.requires_grad_(False)  # pairs leave the level free: Adam would follow noise
    blank = copy.deepcopy(model)
    parallel = spread(run, Objective(model, RewardModel.__call__), list(model.transformer.blocks))

    def loss_of(batch: Sequence[Comparison]) -> tuple[Tensor, int]:
        own = run.mine(batch)
        answers = [pair.preferred for pair in own] + [pair.rejected for pair in own]
        texts, mask = rectangle(run, [pair.prompt for pair in own] * 2, answers)
        preferred, rejected = parallel(texts, mask).chunk(2)
        return bradley_terry_loss(preferred, rejected), texts.numel() * run.processes

    stats = descend(run, model, pairs, run.options.reward_steps, loss_of)
    keep(run, "reward", model, blank, stats)


@torch.no_grad()
def accuracy(run: Run, model: RewardModel, pairs: Sequence[Comparison]) -> float:
    """Share of held-out comparisons that the reward model orders as people did."""
    right = 0
    for first in range(0, len(pairs), 32):
        batch = pairs[first : first + 32]
        prompts = [pair.prompt for pair in batch]
        scores = [
            model(*rectangle(run, prompts, answers))
            for answers in ([p.preferred for p in batch], [p.rejected for p in batch])
        ]
        right += int((scores[0] > scores[1]).sum())
    return right / len(pairs)


def reinforced(run: Run, sft: GPT, reward_model: RewardModel, pairs: Sequence[Comparison]) -> None:
    """Step 3: the PPO of CartPole, on prompts whose answers the reward model judges."""
    options, sharded = run.options, run.options.shard and run.processes > 1
    actor = TextActorCritic(sft, reward_model.transformer, pad_token=run.end, end_token=run.end).to(
        run.device
    )
    actor.value.load_state_dict(reward_model.head.state_dict())
    frozen = load_stage(run, "sft", GPT(sft.config)).requires_grad_(False)
    reference = TextActorCritic(frozen, pad_token=run.end, end_token=run.end)
    judge_of_texts = load_stage(run, "reward", reward_model_of(run, frozen))
    blank = copy.deepcopy(actor)
    if sharded:
        assert actor.critic is not None
        shard(actor, [*actor.policy.blocks, *actor.critic.blocks], methods=ACTING)
        shard(reference, list(frozen.blocks), methods=ACTING)
        shard(judge_of_texts, list(judge_of_texts.transformer.blocks))
    learner: Any = actor if sharded else Replica(actor)
    config = ppo.PPOConfig(
        gamma=1.0, epochs=1, minibatches=options.minibatches, value_coef=0.1, max_gradient_norm=1.0
    )
    optimizer = torch.optim.Adam(actor.parameters(), lr=options.learning_rate, eps=1e-5)
    generator = make_generator(options.seed + run.rank, run.device)
    score = scored_by(judge_of_texts, end_token=run.end)
    began, answers, records = time.perf_counter(), 0, []
    each = enumerate(batches(run, pairs, options.ppo_steps))
    for _, batch in progress(each, "ppo", total=options.ppo_steps) if run.rank == 0 else each:
        prompts, _ = left_pad(
            [run.tokenizer.encode(pair.prompt) for pair in run.mine(batch)], pad_token=run.end
        )
        with autocast(run.device, enabled=options.half):
            with gathered(actor) if sharded else nullcontext():
                rollout, scores = respond(
                    actor,
                    reference,
                    prompts.to(run.device),
                    score,
                    steps=options.answer,
                    end_token=run.end,
                    kl_coef=options.kl_coef,
                    generator=generator,
                )
            stats = ppo.update(learner, optimizer, ppo.judge(rollout, config), config, generator)
        answers += len(batch)
        records.append(stats | {"score": float(scores.mean())})
    seconds = time.perf_counter() - began
    last = records[-20:]
    keep(
        run,
        "ppo",
        actor,
        blank,
        {name: sum(record[name] for record in last) / len(last) for name in last[0]}
        | {"answers/s": answers / seconds, "seconds": seconds}
        | peak_memory(run.device),
    )


def peak_memory(device: torch.device) -> dict[str, float]:
    """The most memory that a GPU held at once, in GiB."""
    if device.type != "cuda":
        return {}
    return {"GiB": torch.cuda.max_memory_allocated(device) / 2**30}


def load_stage(run: Run, stage: str, module: Any) -> Any:
    """A module with the weights of a finished stage."""
    load_checkpoint(run.file(stage), module)
    return module.to(run.device)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", required=True, help="folder for the finished stages")
    add("--model", default=GPT2, help="GPT-2 on the hub, or a folder with its files")
    add("--data", default=HH_RLHF, help="HH-RLHF on the hub, or a folder with its files")
    add("--part", default="helpful-base", help="part of HH-RLHF")
    add("--comparisons", type=int, default=20_000, help="how many to read")
    add("--batch", type=int, default=64, help="comparisons or prompts of a step, of all processes")
    add("--minibatches", type=int, default=4, help="of a PPO iteration")
    add("--answer", type=int, default=64, help="tokens of the longest answer in PPO")
    add("--sft-steps", type=int, default=300)
    add("--reward-steps", type=int, default=300)
    add("--ppo-steps", type=int, default=300)
    add("--learning-rate", type=float, default=1e-5)
    add("--kl-coef", type=float, default=0.05, help="β")
    add("--half", action="store_true", help="matrix products in bf16 where the device has it")
    add("--shard", action="store_true", help="share the weights among the processes (FSDP)")
    add("--device", help="cuda, mps or cpu (default: what there is)")
    add("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    try:
        device = choose_device(options.device)
        with distributed(device) as (rank, processes):
            if device.type == "cuda":
                device = torch.device("cuda", rank % torch.cuda.device_count())
                torch.cuda.set_device(device)
            chain(options, device, rank, processes)
    except (
        FloatingPointError,
        PretrainedError,
        PublishedDataError,
        ValueError,
        RuntimeError,
    ) as error:
        sys.exit(f"instructgpt_gpt2: {error}")


def chain(options: argparse.Namespace, device: torch.device, rank: int, processes: int) -> None:
    """The three stages, each unless its file is there."""
    if options.batch % processes:
        raise ValueError(f"a batch of {options.batch} cannot be shared by {processes} processes")
    model, tokenizer = load_gpt2(options.model)
    run = Run(options, tokenizer, device, rank, processes)
    found = load_comparisons(options.data, part=options.part, limit=options.comparisons)
    pairs = usable(run, found, model.config.context)
    held_out = usable(
        run,
        load_comparisons(options.data, part=options.part, split="test", limit=1000),
        model.config.context,
    )
    if len(pairs) < options.batch or not held_out:
        raise ValueError(
            f"{len(pairs)} of {len(found)} comparisons fit the model's context: too few for a batch"
        )
    if not run.file("sft").exists():
        supervised(run, model.to(device), pairs)
    sft = load_stage(run, "sft", GPT(model.config))
    with initial_weights(options.seed):
        reward_model = reward_model_of(run, sft).to(device)
    if not run.file("reward").exists():
        rewarded(run, reward_model, pairs)
        reward_model = reward_model_of(run, sft)
    reward_model = load_stage(run, "reward", reward_model)
    if rank == 0:
        share = accuracy(run, reward_model, held_out)
        print(f"reward model: orders {share:.3f} of {len(held_out)} held-out pairs as people did")
    if not run.file("ppo").exists():
        reinforced(run, sft, reward_model, pairs)


if __name__ == "__main__":
    main()
