"""The options that `nas vertex`'s commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nas.errors import UserError

if TYPE_CHECKING:
    from trainer.vertex.spend import Budget

FolderArgument = Annotated[str, typer.Argument(metavar="DIR", help="The directory that the job was sent from.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the request; send nothing.")]
NumberOption = Annotated[
    int | None, typer.Option("--number", metavar="N", help="Which of the jobs sent from DIR, from 1; the last by default.")
]
PatienceOption = Annotated[
    float, typer.Option("--patience", min=0, help="Seconds for which a busy or unreachable service is tried again.")
]
ProjectOption = Annotated[str, typer.Option("--project", help="The project that pays. There is no default.")]
RegionOption = Annotated[str, typer.Option("--region", help="Such as europe-west4. There is no default.")]
EndpointOption = Annotated[
    str,
    typer.Option("--endpoint", metavar="http://127.0.0.1:PORT", help="A local server to rehearse on; no credentials are used."),
]
ImageOption = Annotated[str, typer.Option("--image", help="The container that trials run; see `nas vertex build`.")]
StagingOption = Annotated[str, typer.Option("--staging", metavar="gs://BUCKET/PREFIX", help="Where jobs write.")]
CommandOption = Annotated[str, typer.Option("--command", help="Replaces the image's entry point, e.g. 'python task.py'.")]
ArgumentOption = Annotated[
    list[str] | None, typer.Option("--arg", metavar="--NAME=VALUE", help="A flag that every trial gets. Repeatable.")
]
MachineOption = Annotated[str, typer.Option("--machine", help="The machine type of each trial.")]
AcceleratorOption = Annotated[str, typer.Option("--accelerator", metavar="TYPE[:COUNT]", help="Such as NVIDIA_TESLA_T4:1.")]
ReplicasOption = Annotated[int, typer.Option("--replicas", min=1, help="Machines per trial.")]
AccountOption = Annotated[str, typer.Option("--service-account", help="The account that trials act as.")]
NetworkOption = Annotated[str, typer.Option("--network", help="A VPC network to peer with, by its full name.")]
EnvOption = Annotated[
    list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A variable of the container; no secrets. Repeatable.")
]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="To find and bill jobs by. Repeatable.")
]
TrialHoursOption = Annotated[float | None, typer.Option("--trial-hours", help="A trial that runs longer is ended.")]
SpotOption = Annotated[bool, typer.Option("--spot", help="Cheaper machines that can be taken away.")]
HoursOption = Annotated[
    float | None, typer.Option("--max-machine-hours", help="Watched jobs are cancelled once their machines ran so long in all.")
]
CostOption = Annotated[
    float | None, typer.Option("--max-cost", help="Watched jobs are cancelled once they cost so much; needs --price.")
]
PriceOption = Annotated[float | None, typer.Option("--price", help="Of one machine with its accelerators for an hour.")]
NameOption = Annotated[str, typer.Option("--name", help="What the job is called; by default as its directory.")]
OutOption = Annotated[str, typer.Option("--out", metavar="DIR", help="Keeps what was sent and what is seen of it.")]
WatchOption = Annotated[bool, typer.Option("--watch", help="Then watch it to its end, as `nas vertex watch` does.")]
EveryOption = Annotated[float, typer.Option("--every", min=0.01, help="Seconds between two looks at what is watched.")]


def read_pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """What a repeatable NAME=VALUE option was given."""
    found = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UserError(f"{text!r} does not fit", path=option, received=text, expected="NAME=VALUE")
        found[key] = value
    return found


def read_budget(machine_hours: float | None, money: float | None, price: float | None, trials: int | None = None) -> Budget:
    """The budget that the options give; its mistakes are theirs."""
    from trainer.vertex.spend import Budget

    options = {"machine_hours": "--max-machine-hours", "money": "--max-cost", "price_per_machine_hour": "--price"}
    try:
        return Budget(trials, machine_hours, money, price)
    except UserError as error:
        path = options.get(error.path.removeprefix("budget."), error.path)
        raise UserError(error.problem, path=path, received=error.received, expected=error.expected, hint=error.hint) from None
