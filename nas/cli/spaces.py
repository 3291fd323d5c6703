"""`nas spaces`, `nas check`, `nas cost`, `nas show`: what a space is, before anything is trained."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nas.cli.common import AtMostOption, JsonOption, SeedOption, SpaceArgument, console, find_space, print_json, read_limits
from nas.cli.show import show
from nas.study.report.facts import quantity

IndexOption = Annotated[int | None, typer.Option("--index", help="The architecture of this number.")]
BaselineOption = Annotated[str | None, typer.Option("--baseline", help="A named point of the space, e.g. book.")]


def register(app: typer.Typer) -> None:
    for command in (spaces, check, cost, show):
        app.command()(command)


def spaces(as_json: JsonOption = False) -> None:
    """Lists the prebuilt spaces with their sizes and sources."""
    import search_spaces

    rows = [_describe(search_spaces.get(name)) for name in search_spaces.NAMES]
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("space", "points", "decisions", "input", "output", "what it is", box=None)
    for row in rows:
        table.add_row(
            row["name"], quantity(row["size"]), str(row["decisions"]), str(row["input"]), str(row["output"]), row["description"]
        )
    console().print(table)


def _describe(space: Any) -> dict[str, Any]:
    return {
        "name": space.name,
        "reference": space.reference,
        "size": space.size,
        "decisions": len(space.genome.slots),
        "input": space.input_shape,
        "output": space.output_shape,
        "baselines": list(space.baselines),
        "description": space.description.splitlines()[0] if space.description else "",
    }


def check(
    space: SpaceArgument,
    at_most: AtMostOption = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=10,
            help="Random architectures lowered for peak memory, which does not add up; 100, or fewer large ones.",
        ),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Says what a space is: exact size, proof that all of it builds, distinct share, exact costs, how many meet a limit.

    Example: nas check colorizer --at-most flops=100e6
    """
    import gc

    from nas.cli.preflight import describe_space, print_description

    gc.disable()  # a space is many small objects, hardly any of them garbage: looking for it takes a sixth of the time
    report = describe_space(find_space(space), read_limits(at_most), samples=samples, seed=seed)
    if as_json:
        print_json(report)
    else:
        print_description(report, console())


def cost(
    space: SpaceArgument,
    index: IndexOption = None,
    baseline: BaselineOption = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="This many random architectures.")] = None,
    items: Annotated[bool, typer.Option("--items", help="One row for each operation.")] = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Prices architectures: FLOPs (one multiply-add is two), MACs, parameters, peak activation memory.

    Example: nas cost colorizer --baseline book --items
    """
    import dataclasses

    from nas.language.pricing import itemize

    chosen = chosen_architectures(find_space(space), index, baseline, sample, seed)
    rows = [{"index": a.index, "fingerprint": a.fingerprint} | dataclasses.asdict(a.cost()) for a in chosen]
    details = [[row._asdict() for row in itemize(a.network)] if items else [] for a in chosen]
    if as_json:
        print_json([row | ({"operations": detail} if items else {}) for row, detail in zip(rows, details, strict=True)])
        return
    from rich.table import Table

    table = Table("architecture", "FLOPs", "MACs", "parameters", "peak activations", box=None)
    for row in rows:
        peak = quantity(row["peak_activation_bytes"], "bytes")
        table.add_row(row["fingerprint"][:12], quantity(row["flops"]), quantity(row["macs"]), f"{row['params']:,}", peak)
    console().print(table)
    for detail in details if items else ():
        listing = Table("operation", "layer", "output", "FLOPs", "parameters", box=None)
        for item in detail:
            size = "x".join(map(str, item["shape"]))
            listing.add_row(item["path"], item["layer"], size, f"{item['flops']:,}", f"{item['params']:,}")
        console().print(listing)


def chosen_architectures(space: Any, index: int | None, baseline: str | None, sample: int | None, seed: int) -> list[Any]:
    """The architectures that options name; a random one where none of them is given."""
    if index is not None:
        return [space.architecture(index)]
    if baseline is not None:
        return [space.baselines[baseline]]
    return space.sample(seed, n=sample or 1)
