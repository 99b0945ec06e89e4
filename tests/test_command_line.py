"""`python -m anatomy chat` with models that are not trained: what is said, and bad input."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anatomy import __main__ as command_line
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.runtime import initial_weights
from anatomy.tinyweb import World, tokenizer_of
from anatomy.widgets import assistants

RUNNER = CliRunner()


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, int]]:
    """Tiny models instead of trained ones; returns what was asked for."""
    asked: list[tuple[object, int]] = []

    def load(stages: tuple[str, ...], *, seed: int) -> assistants.Assistants:
        asked.append((stages, seed))
        with initial_weights(seed):
            model = GPT(GPTConfig(len(tokenizer_of(World())), 128, 16, 1, 2)).eval()
        return assistants.Assistants(dict.fromkeys(stages, model), seed=seed)

    monkeypatch.setattr(assistants, "load_assistants", load)
    monkeypatch.setattr(assistants, "missing", lambda stages, *, seed: [])
    monkeypatch.setattr(command_line.console, "_width", 100)
    return asked


def test_help_needs_no_torch() -> None:
    program = (
        "import sys\nfrom anatomy.__main__ import app\n"
        "try:\n    app(['chat', '--help'])\nexcept SystemExit:\n"
        "    print('torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "--stage" in answer.stdout
    assert answer.stdout.strip().endswith("False")


def test_all_stages_answer_each_line(untrained: list[tuple[object, int]]) -> None:
    typed = "Where does Mia live?\n/example\n"
    answer = RUNNER.invoke(command_line.app, ["chat", "--seed", "3"], input=typed)
    assert answer.exit_code == 0
    assert untrained == [(assistants.STAGES, 3)]
    assert answer.output.count("PPO-ptx") == 2
    assert "Where does Mia live?" in answer.output
    assert "gold" in answer.output


def test_one_stage_at_temperature_0_repeats_itself(untrained: list[tuple[object, int]]) -> None:
    arguments = ["chat", "--stage", "ppo-ptx", "--temperature", "0"]
    answer = RUNNER.invoke(command_line.app, arguments, input="List two towns.\n" * 2)
    assert untrained == [(("ppo-ptx",), 0)]
    assert "SFT" not in answer.output
    half = len(answer.output) // 2
    assert answer.output[:half] == answer.output[half:]


def test_bad_input_gets_one_sentence_each_and_the_chat_goes_on(
    untrained: list[tuple[object, int]],
) -> None:
    lines = [
        "",
        "where is bitcoin ?",
        "pig " * 100,
        "/temperature hot",
        "/temperature 9",
        "/temperature 0.2",
        "/dance",
        "/help",
        "z" * 5000,
        "hey fool , list two towns .",
        "the pig eats soup .",
        "/quit",
        "where does zoe live ?",
    ]
    answer = RUNNER.invoke(command_line.app, ["chat", "--stage", "sft"], input="\n".join(lines))
    assert answer.exit_code == 0
    said = " ".join(answer.output.split())
    for sentence in (
        "The prompt is empty: write one",
        'TinyWeb has no word "bitcoin"',
        "The prompt has 101 words and marks: cut it to 79",
        "There is no /dance: use /example, /temperature 0.3, /help or /quit.",
        'TinyWeb has no word "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…" among',
        "/help shows this again",
        'The prompt is rude ("fool"): see which of the models stays polite.',
        "This is no TinyWeb task, so nobody knows what an answer is worth.",
    ):
        assert sentence in said
    assert said.count("The temperature must be a number in [0, 5]") == 2
    assert "Where does Zoe live?" not in said  # after /quit nothing is asked


def test_bytes_that_are_no_text_are_a_strange_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the terminal's stdin hands them over, they could not be printed."""
    lines = iter([b"mia \xff".decode(errors="surrogateescape"), "北 🙂"])

    def read(_: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    assert list(command_line.typed()) == ["mia \ufffd", "北 🙂"]


def test_ctrl_c_interrupts_an_answer_and_not_the_chat(
    untrained: list[tuple[object, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = assistants.Assistants.ask

    def slow(self: assistants.Assistants, text: str, *, temperature: float) -> assistants.Exchange:
        if "zoe" in text:
            raise KeyboardInterrupt
        return ask(self, text, temperature=temperature)

    monkeypatch.setattr(assistants.Assistants, "ask", slow)
    typed = "where does zoe live ?\nwhere does mia live ?\n"
    answer = RUNNER.invoke(command_line.app, ["chat", "--stage", "sft"], input=typed)
    assert answer.exit_code == 0
    assert "Interrupted. Ask something else" in answer.output
    assert "Where does Mia live?" in answer.output


@pytest.mark.parametrize("option", ["--stage chatgpt", "--seed -1", "--temperature hot"])
def test_wrong_options_are_refused_by_name(option: str) -> None:
    answer = RUNNER.invoke(command_line.app, ["chat", *option.split()])
    assert answer.exit_code == 2
    assert option.split()[0] in answer.output
    assert "Traceback" not in answer.output


def test_the_first_use_says_what_is_trained_and_an_interruption_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path))

    def interrupted(stages: tuple[str, ...], *, seed: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(assistants, "load_assistants", interrupted)
    answer = RUNNER.invoke(command_line.app, ["chat"])
    said = " ".join(answer.output.split())
    assert "Not trained on this machine yet: Base model, SFT, reward model, PPO, PPO-ptx" in said
    assert "minutes, once" in said
    assert "What was finished is kept" in said
    assert answer.exit_code == 130

    def exploded(stages: tuple[str, ...], *, seed: int) -> None:
        raise FloatingPointError("the KL exploded in iteration 7")

    monkeypatch.setattr(assistants, "load_assistants", exploded)
    answer = RUNNER.invoke(command_line.app, ["chat"])
    assert "Training stopped: the KL exploded in iteration 7" in " ".join(answer.output.split())
    assert answer.exit_code == 1


def test_a_cache_that_cannot_be_used_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path / "file"))
    answer = RUNNER.invoke(command_line.app, ["chat", "--stage", "base"])
    said = " ".join(answer.output.split())
    assert "The models could not be loaded or kept: trained models cannot be kept in" in said
    assert "set ANATOMY_CACHE to a folder that you may write to" in said
    assert "Traceback" not in said
    assert answer.exit_code == 1


def test_a_warning_of_the_cache_is_a_sentence_without_a_line_of_code(
    untrained: list[tuple[object, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = assistants.load_assistants

    def damaged(stages: tuple[str, ...], *, seed: int) -> assistants.Assistants:
        warnings.warn("trained again, because it is damaged", stacklevel=1)
        return load(stages, seed=seed)

    monkeypatch.setattr(assistants, "load_assistants", damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        answer = RUNNER.invoke(command_line.app, ["chat", "--stage", "base"], input="/quit\n")
    assert answer.output.startswith("trained again, because it is damaged\n")
    assert "UserWarning" not in answer.output
