"""`nas show`: a picture of a space, or of some of its architectures; or an architecture as Keras source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nas.cli.common import SeedOption, SpaceArgument, console, find_space
from nas.errors import UserError


def show(
    space: SpaceArgument,
    index: Annotated[int | None, typer.Option("--index", help="The architecture of this number.")] = None,
    baseline: Annotated[str | None, typer.Option("--baseline", help="A named point of the space, e.g. book.")] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="This many random architectures.")] = None,
    seed: SeedOption = 0,
    out: Annotated[
        str, typer.Option("--out", help="Where the picture goes: .svg or .png; several are numbered, x-1.svg, x-2.svg.")
    ] = "",
    detail: Annotated[
        Literal["auto", "layers", "blocks"], typer.Option("--detail", help="Of an architecture: a box for each layer or block.")
    ] = "auto",
    depth: Annotated[
        int | None, typer.Option("--depth", min=0, help="Of a space: how deeply nested operations are told.")
    ] = None,
    source: Annotated[bool, typer.Option("--source", help="Print standalone Keras source instead.")] = False,
) -> None:
    """Draws a space with its choices; or architectures, given --index, --baseline or --sample.

    Example: nas show colorizer --out space.png; nas show colorizer --baseline book --out network.svg
    """
    chosen = {"--index": index, "--baseline": baseline, "--sample": sample}
    given = [option for option, value in chosen.items() if value is not None]
    if len(given) > 1:
        raise UserError("they name different architectures", path=" and ".join(given), hint="Give one of them")
    if source and not given:
        raise UserError("source code is of one architecture", path="--source", hint="Add --index, --baseline or --sample 1")
    path = _picture_path(out or ("architecture.svg" if given else "space.svg"))
    found = find_space(space)
    if not given:
        from nas.language.drawing import draw_space

        console().print(str(draw_space(found, depth=depth).save(path)), soft_wrap=True)
        return
    named = _architectures(found, index, baseline, sample, seed)
    for k, (name, architecture) in enumerate(named, start=1):
        if source:
            print(architecture.source())
        else:
            place = path if len(named) == 1 else path.with_stem(f"{path.stem}-{k}")
            console().print(str(architecture.picture(f"{found.name} {name}", detail).save(place)), soft_wrap=True)


def _architectures(space: Any, index: int | None, baseline: str | None, sample: int | None, seed: int) -> list[tuple[str, Any]]:
    """What was asked for, and what to call it in a heading."""
    if index is not None:
        return [(str(index), space.architecture(index))]
    if baseline is not None:
        return [(baseline, space.baselines[baseline])]
    return [(architecture.fingerprint[:12], architecture) for architecture in space.sample(seed, n=sample)]


def _picture_path(out: str) -> Path:
    """Refuses what is no picture before anything is drawn."""
    path = Path(out)
    if path.suffix not in (".svg", ".png"):
        problem = f"{path.suffix or 'no suffix'} is not a picture format"
        raise UserError(problem, path="--out", received=out, expected=".svg or .png")
    return path
