"""The command line: `python -m anatomy chat`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from anatomy.widgets.assistants import Assistants, Exchange

with suppress(ImportError):  # with it, input() lets a line be edited and called back
    import readline  # noqa: F401

app = typer.Typer(
    help="Anatomy of ChatGPT: what can be run without a notebook.",
    add_completion=False,
    no_args_is_help=True,
)
console = Console(highlight=False)  # a prompt is no code: its numbers get no colours
COLOURS = {"base": "bright_black", "sft": "blue", "ppo": "dark_orange3", "ppo-ptx": "green"}
WELCOME = (
    "Ask what TinyWeb asks: facts, stories, lists, reviews. Every prompt begins a new "
    "conversation.\n/example asks an example, /temperature 0.3 changes the temperature, "
    "/help shows this again, /quit ends (so does Ctrl-D)."
)


class Stage(StrEnum):
    """Which models answer."""

    base = "base"
    sft = "sft"
    ppo = "ppo"
    ppo_ptx = "ppo-ptx"
    all = "all"


@app.callback()
def _commands() -> None:
    """Anatomy of ChatGPT: what can be run without a notebook."""


@app.command()
def chat(
    stage: Annotated[Stage, typer.Option(help="Who answers.")] = Stage.all,
    seed: Annotated[int, typer.Option(min=0, help="Of the trained models.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, max=5, help="0 is greedy.")] = 0.7,
) -> None:
    """Talk to base model, SFT, PPO and PPO-ptx side by side, with gold and reward.

    Trains what is not trained yet, once. Reads prompts from a pipe, too.
    """
    try:
        from anatomy.reporting.checkpoints import CheckpointError
        from anatomy.widgets.assistants import STAGES, load_assistants, missing, training_notice

        stages = STAGES if stage is Stage.all else (stage.value,)
        if untrained := missing(stages, seed=seed):
            console.print(escape(training_notice(untrained)))
        with warnings.catch_warnings():
            warnings.showwarning = say_warning  # a damaged file is trained over
            assistants = load_assistants(stages, seed=seed)
    except KeyboardInterrupt:
        console.print(
            "\nStopped. What was finished is kept, and the next start goes on from there."
        )
        raise typer.Exit(130) from None
    except FloatingPointError as error:
        console.print(f"[bold]Training stopped:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    except (CheckpointError, OSError) as error:
        console.print(f"[bold]The models could not be loaded or kept:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    talk(assistants, temperature)


def say_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A warning in a sentence, without the line of code that it came from."""
    console.print(escape(str(message)))


def talk(assistants: Assistants, temperature: float) -> None:
    """Read prompts until there are no more, and print what the models answer."""
    from anatomy.widgets.assistants import PromptError, brief

    examples = assistants.examples()
    if sys.stdin.isatty():
        console.print(WELCOME, markup=False)
    for line in typed():
        command, _, rest = line.strip().partition(" ")
        try:
            if command in ("/quit", "/exit"):
                return
            if command == "/temperature":
                temperature = read_temperature(rest)
            elif command == "/help":
                console.print(WELCOME, markup=False)
            elif command == "/example":
                show(assistants.ask(next(examples), temperature=temperature))
            elif command.startswith("/"):
                raise PromptError(
                    f"There is no {brief(command)}: use /example, /temperature 0.3, /help or /quit."
                )
            else:
                show(assistants.ask(line, temperature=temperature))
        except PromptError as problem:
            console.print(f"[bold]{escape(str(problem))}[/]")
        except KeyboardInterrupt:
            console.print("[bold]Interrupted.[/] Ask something else; /quit ends the chat.")


def typed() -> Iterator[str]:
    """What the reader types, line by line, until Ctrl-D or Ctrl-C; or the lines of a pipe."""
    while True:
        try:
            line = input("\nyou: " if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            return
        # bytes that are no UTF-8 come as surrogates, which could not be printed
        yield line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_temperature(text: str) -> float:
    """The number behind /temperature."""
    from anatomy.widgets.assistants import PromptError

    try:
        temperature = float(text)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 5:
        raise PromptError("The temperature must be a number in [0, 5]: /temperature 0.3")
    return temperature


def show(exchange: Exchange) -> None:
    """Print one exchange as a table."""
    from anatomy.widgets.assistants import TITLES, number

    table = Table(title=escape(exchange.prompt), title_justify="left", show_lines=True)
    table.add_column("")
    table.add_column("answer", ratio=1, overflow="fold")
    table.add_column("gold", justify="right")
    table.add_column("reward", justify="right")
    for reply in exchange.replies:
        colour, why = COLOURS[reply.stage], "; ".join(reply.reasons)
        text = escape(reply.text.strip() or "(nothing)") + ("" if reply.ended else " … (stopped)")
        table.add_row(
            f"[{colour}]{TITLES[reply.stage]}[/]",
            text + (f"\n[dim]{escape(why)}[/]" if why else ""),
            number(reply.gold),
            number(reply.reward),
        )
    console.print(table)
    if exchange.note:
        console.print(escape(exchange.note))
    if not exchange.kind:
        console.print("This is no TinyWeb task, so nobody knows what an answer is worth.")


if __name__ == "__main__":
    app(prog_name="python -m anatomy")
