"""Our GPT beside transformers' GPT-2: training and sampling, one core, one window of time.

The sides take turns in one process, a second or so each, in an order that rotates from
round to round; so all meet the same neighbours on the machine, and only ratios
within a round are reported. What is charged is CPU time.

Three models of ours run. "gpt2" is the peer's architecture; it starts from the peer's weights,
and its first loss must be the peer's. "book" is the book's own choice of RoPE, exact GELU and
no biases, in the same width and depth. "learned" is the same with a learned vector per
position, as in nanoGPT: hardly anything is left to leave out. Training is forward, backward,
clipping and AdamW; sampling is softmax sampling without a stop token. bf16 is measured on
every processor, also where the package would not use it.

    python code/benchmarks/language_models.py              # three seeds, about ten minutes
    python code/benchmarks/language_models.py --table      # only print what is there
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor, nn

from anatomy.models.bert import IGNORE
from anatomy.models.generation import generate
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.optimisers import adamw
from anatomy.models.pretrained import gpt2_weights
from anatomy.models.pretraining import cross_entropy, training_flops
from anatomy.reporting import read_result, receipt, write_result
from anatomy.reporting.plots import bootstrap_interval
from anatomy.runtime import half_precision, initial_weights, make_generator

NAME = "benchmark_language_models"
VOCABULARY, CONTEXT = 1024, 128
SHAPES = {"4×128": (4, 128, 4), "6×256": (6, 256, 4)}  # layers, width, heads
BATCH = 16  # rows of CONTEXT tokens in a training step
PROMPTS, PROMPT, NEW = 64, 16, 48  # sampling
LEARNING_RATE = 1e-3
GOALS = {"training": 1.35, "training bf16": 2.4, "sampling": 1.6}
CONFIG = {
    "vocabulary": VOCABULARY,
    "context": CONTEXT,
    "shapes (layers, width, heads)": SHAPES,
    "training": f"{BATCH} × {CONTEXT} tokens a step, AdamW, clipping",
    "sampling": f"{PROMPTS} prompts × {PROMPT} + {NEW} new tokens",
}

Work = Callable[[], int]  # does a piece of work; returns how many tokens it handled


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="seeds 100, 101, … (default 3)")
    parser.add_argument("--rounds", type=int, default=16, help="turns of each side per seed")
    parser.add_argument("--table", action="store_true", help="print the table, measure nothing")
    options = parser.parse_args(argv)
    if options.table:
        try:
            print(table(read_result(NAME)["tasks"]))
        except ValueError as error:
            sys.exit(f"benchmark: {error}")
        return
    try:
        packages = {name: version(name) for name in ("transformers", "torch")}
    except ModuleNotFoundError:
        sys.exit("benchmark: transformers is not installed; it is in the dev extra")
    torch.set_num_threads(1)
    began, began_cpu = perf_counter(), process_time()
    seeds = list(range(100, 100 + options.seeds))
    tasks = {
        name: summarise([take_turns(sides(seed), options.rounds) for seed in seeds])
        for name, sides in all_tasks()
    }
    stamp = receipt(
        config=CONFIG | {"rounds": options.rounds},
        seeds=seeds,
        wall_seconds=perf_counter() - began,
        cpu_seconds=process_time() - began_cpu,
    )
    stamp |= {"packages": packages, "half_precision": str(half_precision("cpu"))}
    write_result(NAME, {"receipt": stamp, "goals": GOALS, "tasks": tasks})
    print(table(tasks))


# --- measuring -------------------------------------------------------------------------


def all_tasks() -> Iterator[tuple[str, Callable[[int], dict[str, Work]]]]:
    for shape in SHAPES:
        yield f"training {shape}", lambda seed, shape=shape: training(shape, seed)
    for shape in SHAPES:
        yield f"sampling {shape}", lambda seed, shape=shape: sampling(shape, seed)


def take_turns(sides: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    """Tokens per CPU second of every side in every round."""
    for work in sides.values():
        work()  # the first call allocates
    names, speeds = list(sides), {name: [] for name in sides}
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            before = process_time()
            tokens = sides[name]()
            speeds[name].append(tokens / (process_time() - before))
    return speeds


def training(shape: str, seed: int) -> dict[str, Work]:
    """Some optimisation steps of each side; every side has a model and an optimizer of its own."""
    tokens = torch.randint(VOCABULARY, (BATCH, CONTEXT), generator=make_generator(seed))
    steps = 3 if shape == "4×128" else 1

    def side(model: nn.Module, loss: Callable[[nn.Module], Tensor], half: bool) -> Work:
        optimizer = adamw(model, LEARNING_RATE)

        def work() -> int:
            for _ in range(steps):
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    value = loss(model)
                optimizer.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            return steps * tokens.numel()

        return work

    # the last position has no target; the peer, too, fills its place
    targets = nn.functional.pad(tokens[:, 1:], (0, 1), value=IGNORE)

    def ours(model: nn.Module) -> Tensor:
        return cross_entropy(model(tokens), targets)

    def peers(model: nn.Module) -> Tensor:
        return model(tokens, labels=tokens).loss

    sides = {}
    for half in (False, True):
        peer, own = models(shape, seed)
        with torch.no_grad():
            torch.testing.assert_close(ours(own["gpt2"]), peers(peer), rtol=0, atol=1e-4)
        end = " bf16" if half else ""
        sides[f"peer{end}"] = side(peer, peers, half)
        sides |= {f"{name}{end}": side(model, ours, half) for name, model in own.items()}
    return sides


def sampling(shape: str, seed: int) -> dict[str, Work]:
    """Continuations of the same prompts by each side."""
    peer, own = models(shape, seed)
    generator = make_generator(seed)
    prompts = torch.randint(VOCABULARY, (PROMPTS, PROMPT), generator=generator)

    def peers() -> int:
        texts = peer.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=True,
            top_k=0,
            pad_token_id=0,
        )
        return texts.numel() - prompts.numel()

    def ours(model: GPT) -> Work:
        return lambda: generate(model, prompts, NEW, generator=generator).mask.numel()

    return {"peer": peers} | {name: ours(model) for name, model in own.items()}


def models(shape: str, seed: int) -> tuple[Any, dict[str, GPT]]:
    """transformers' GPT-2, ours with the same weights, and two more of the same size."""
    import transformers

    transformers.logging.set_verbosity_error()
    layers, width, heads = SHAPES[shape]
    with initial_weights(seed):
        peer = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=VOCABULARY,
                n_positions=CONTEXT,
                n_embd=width,
                n_layer=layers,
                n_head=heads,
                resid_pdrop=0.0,  # ours has no dropout
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=None,
                eos_token_id=None,
            )
        )
        size = {"context": CONTEXT, "width": width, "layers": layers, "heads": heads}
        gpt2 = GPT(GPTConfig.like_gpt2(VOCABULARY, **size))
        gpt2.load_state_dict(gpt2_weights(peer.state_dict()))
        book = GPT(GPTConfig(VOCABULARY, **size))
        learned = GPT(GPTConfig(VOCABULARY, rotary_base=None, **size))
    return peer, {"gpt2": gpt2, "book": book, "learned": learned}


# --- the result ------------------------------------------------------------------------


def summarise(runs: Sequence[dict[str, list[float]]]) -> dict[str, Any]:
    """Median speed of every side, and the median of its ratio to the peer with a 95 % interval."""
    speeds = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
    return {
        name: {
            "tokens_per_second": round(float(np.median(speed))),
            "ratio": centre(speed / speeds["peer"]),
            "ratios": [round(float(value), 3) for value in speed / speeds["peer"]],
        }
        for name, speed in speeds.items()
    }


def centre(ratios: np.ndarray) -> dict[str, float | None]:
    median, low, high = bootstrap_interval(ratios, np.median)
    return {
        name: round(float(value), 3) if np.isfinite(value) else None
        for name, value in {"median": median, "low": low, "high": high}.items()
    }


def table(tasks: dict[str, Any]) -> str:
    """The summary for a terminal."""
    lines = []
    for task, sides in tasks.items():
        kind, shape = task.split()
        lines.append(f"{task}, ratio to transformers in fp32, goal {GOALS[kind]:g}")
        layers, width, heads = SHAPES[shape]
        config = GPTConfig(VOCABULARY, CONTEXT, width, layers, heads)
        for name, figures in sides.items():
            ratio = figures["ratio"]
            line = (
                f"  {name:12s} {figures['tokens_per_second']:7,d} tokens/s   {ratio['median']:.2f}x"
            )
            if name != "peer":
                line += f" [{ratio['low']:.2f}, {ratio['high']:.2f}]"
            if kind == "training":
                flops = training_flops(config, figures["tokens_per_second"])
                line += f"   {flops / 1e9:.0f} GFLOP/s"
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
