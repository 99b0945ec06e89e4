"""The chain on published weights: a tiny GPT-2 and a tiny HH-RLHF, by one process and by two."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anatomy.models.bpe import BytePairTokenizer
from anatomy.rlhf.respond import scored_by

transformers = pytest.importorskip("transformers")

SCRIPT = Path(__file__).parents[2] / "code" / "experiments" / "instructgpt_gpt2.py"
SMALL = {
    "--batch": 4,
    "--sft-steps": 2,
    "--reward-steps": 3,
    "--ppo-steps": 2,
    "--minibatches": 1,
    "--answer": 4,
    "--learning-rate": 1e-3,
    "--device": "cpu",
    "--seed": 3,
}
OPTIONS = [str(word) for pair in SMALL.items() for word in pair]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, Path]:
    """A folder as GPT-2 has it and one as HH-RLHF has it, both very small."""
    model, data = tmp_path_factory.mktemp("gpt2"), tmp_path_factory.mktemp("hh")
    lines = [
        json.dumps(
            {
                "chosen": f"\n\nHuman: what is {n}?\n\nAssistant: it is {n}.",
                "rejected": f"\n\nHuman: what is {n}?\n\nAssistant: go away{'!' * (n % 3)}",
            }
        )
        for n in range(24)
    ]
    learned = BytePairTokenizer.train(lines, 280)
    BytePairTokenizer(learned.merges, ["<|endoftext|>"]).save(model)
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=281, n_positions=64, n_embd=16, n_layer=2, n_head=2, bos_token_id=280
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(model)
    for split in ("train", "test"):
        file = data / "helpful-base" / f"{split}.jsonl.gz"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(gzip.compress("\n".join(lines).encode()))
    return model, data


def run(out: Path, published: tuple[Path, Path], *more: str, processes: int = 1) -> str:
    model, data = published
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(SCRIPT)]
    command += ["--model", str(model), "--data", str(data), "--out", str(out), *OPTIONS, *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ANATOMY_PROGRESS": "off"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def alone(tmp_path_factory, published) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("alone")
    return out, run(out, published)


def test_the_three_stages_run_and_a_finished_chain_is_not_repeated(alone, published):
    out, told = alone
    assert {file.stem for file in out.iterdir()} == {"sft", "reward", "ppo"}
    assert "of 24 held-out pairs" in told
    before = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    run(out, published)
    assert before == {file.name: file.stat().st_mtime_ns for file in out.iterdir()}


def test_the_judge_of_ppo_does_not_read_the_padding(alone, published, tmp_path, monkeypatch):
    """GPT-2 pads with its end token, not with the token that TinyWeb pads with."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    script = importlib.import_module(SCRIPT.stem)
    judges = []

    def watched(score, **options):
        judges.append(score)
        return scored_by(score, **options)

    monkeypatch.setattr(script, "scored_by", watched)
    for stage in ("sft", "reward"):
        shutil.copy(alone[0] / f"{stage}.safetensors", tmp_path)
    model, data = published
    folders = ["--model", str(model), "--data", str(data), "--out", str(tmp_path)]
    script.main([*folders, *OPTIONS])
    (judge,) = judges
    text, mask = torch.tensor([[40, 41, 42, 43, 280]]), torch.ones(1, 2, dtype=torch.bool)
    padded = torch.cat([torch.full((1, 5), 280), text], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(judge(padded, mask), judge(text, mask))


@pytest.mark.parametrize("more", [[], ["--shard"]], ids=["DDP", "FSDP"])
def test_two_processes_make_the_weights_of_one(alone, published, tmp_path, more):
    run(tmp_path, published, *more, processes=2)
    start = load_file(published[0] / "model.safetensors")["transformer.wte.weight"]
    for stage in ("sft", "reward"):
        one, two = (load_file(folder / f"{stage}.safetensors") for folder in (alone[0], tmp_path))
        assert one.keys() == two.keys()
        for name, weight in one.items():
            if stage == "reward" and name.endswith("transformer.norm.bias"):
                continue  # moves all scores alike: its gradient is rounding noise
            torch.testing.assert_close(two[name], weight, rtol=0, atol=2e-5, msg=f"{stage} {name}")
        learned = next(w for name, w in one.items() if name.endswith("tokens.weight"))
        assert (learned - start).abs().max() > 1e-3  # far more than the tolerance
    assert (tmp_path / "ppo.safetensors").exists()


def test_a_stage_that_diverges_is_not_kept(published, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    script = importlib.import_module(SCRIPT.stem)
    model, data = published
    folders = ["--model", str(model), "--data", str(data), "--out", str(tmp_path)]
    with pytest.raises(SystemExit, match="not finite; lower --learning-rate"):
        script.main([*folders, *OPTIONS, "--learning-rate", "1e30", "--sft-steps", "4"])
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_shared_or_found_is_said_in_a_sentence(published, tmp_path):
    model, data = published
    for more, reason in (
        (["--batch", "100"], "too few for a batch"),
        (["--part", "harmful"], "has the parts"),
        (["--model", str(data)], "lacks model.safetensors"),
    ):
        command = [sys.executable, str(SCRIPT), "--model", str(model), "--data", str(data)]
        command += ["--out", str(tmp_path), *OPTIONS, *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 1
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
