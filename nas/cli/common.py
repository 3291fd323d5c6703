"""What commands share: their arguments, finding a space, reading limits, printing facts for people or programs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from nas.language.space import SearchSpace
    from nas.study.objective import Objective

SpaceArgument = Annotated[
    str, typer.Argument(metavar="SPACE", help="A prebuilt name (see `nas spaces`), module.path.function, or file.py:function.")
]
DirectoryArgument = Annotated[str, typer.Argument(metavar="DIR", help="The study's directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON, for programs.")]
TaskOption = Annotated[
    str,
    typer.Option(
        "--task",
        help="image (targets are images: lowest MSE), classification (highest accuracy), segmentation (highest mean IoU); "
        "auto goes by the targets: whole numbers are classes, of each image or of each pixel.",
    ),
]
LossOption = Annotated[str, typer.Option("--loss", help="A Keras loss for images by name; auto: the task's own.")]
AtMostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--at-most", metavar="METRIC=VALUE", help="A limit, e.g. latency_ms=5, flops=100e6, or latency_ms=book. Repeatable."
    ),
]
RuntimeOption = Annotated[
    str,
    typer.Option("--runtime", help="litert, litert-int8, onnxruntime, tensorflow, tensorflow-xla or tensorflow-gpu."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="URL",
        help="Time networks on the board where `nas latency serve` runs, http://HOST:PORT; its token is taken from the "
        "environment's ESPALIER_DEVICE_TOKEN.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="The seed of everything random.")]


def console(to_stderr: bool = False) -> Console:
    """Where text for people goes."""
    from rich.console import Console

    return Console(stderr=to_stderr, highlight=False)


def find_space(reference: str) -> SearchSpace:
    """The space a user names: prebuilt, importable, or in a file."""
    import nas
    import search_spaces

    if ":" in reference or "." in reference:
        return nas.load_space(reference)
    return search_spaces.get(reference)


def read_limits(texts: Sequence[str] | None) -> dict[str, float | str]:
    """`["latency_ms=5", "flops=book"]` as metric -> number, or the name of a baseline that sets the limit."""
    limits: dict[str, float | str] = {}
    for text in texts or ():
        metric, equals, value = text.partition("=")
        if not equals or not metric or not value:
            raise UserError(
                f"{text!r} is not a limit", path="--at-most", received=text, expected="METRIC=VALUE, e.g. latency_ms=5"
            )
        try:
            limits[metric] = float(value)
        except ValueError:
            limits[metric] = value
    return limits


def read_objective(reward: str, metric: str, goal: str = "minimize") -> Objective:
    """What a search looks for: the metric small (or large), or, by `"mnasnet-soft:latency_ms=5"`, weighed with costs."""
    import nas

    if not reward:
        return nas.minimize(metric) if goal == "minimize" else nas.maximize(metric)
    form, colon, rest = reward.partition(":")
    targets: dict[str, float] = {}
    for text in rest.split(",") if colon else ():
        cost, _, value = text.partition("=")
        try:
            targets[cost.strip()] = float(value)
        except ValueError:
            expected = "FORM:METRIC=TARGET, e.g. mnasnet-soft:latency_ms=5"
            raise UserError(f"{text!r} is no target", path="--reward", received=reward, expected=expected) from None
    return nas.reward(form, **{"loss" if goal == "minimize" else "accuracy": metric}, **targets)  # type: ignore[arg-type]


def print_json(facts: Any) -> None:
    """One JSON document on standard output."""
    json.dump(facts, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


@contextlib.contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Sends what libraries write to standard error (TensorFlow's C++ does, whatever Python says) to a file meanwhile."""
    sys.stderr.flush()
    saved = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


def say_interrupted(command: str) -> typer.Exit:
    """Tells how to go on after Ctrl-C."""
    console(to_stderr=True).print(f"\n[bold]Interrupted.[/bold] Everything finished is kept. Continue with:\n  {command}")
    return typer.Exit(130)


def facts_table(title: str, facts: Mapping[str, str]) -> Any:
    """Two columns: what, how much."""
    from rich.table import Table

    table = Table(title=title, show_header=False, title_justify="left", box=None, padding=(0, 2))
    for name, value in facts.items():
        table.add_row(f"[bold]{name}[/bold]", value)
    return table
