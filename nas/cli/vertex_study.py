"""`nas vertex study`: a study on this machine whose controller is any of ours, and whose trials are CustomJobs on Vertex AI.

Every job carries the label of its study's directory. So a budget counts them all, those of earlier runs, failed trials and lost
machines too, and whatever still runs can be cancelled once it is spent.
"""

from __future__ import annotations

import shlex
import uuid
from typing import Annotated

import typer

from nas.cli.common import (
    AtMostOption,
    SeedOption,
    SpaceArgument,
    console,
    find_space,
    print_json,
    read_limits,
    say_interrupted,
)
from nas.cli.vertex_options import (
    AcceleratorOption,
    AccountOption,
    ArgumentOption,
    CommandOption,
    CostOption,
    DryRunOption,
    EndpointOption,
    EnvOption,
    EveryOption,
    HoursOption,
    ImageOption,
    MachineOption,
    NetworkOption,
    PriceOption,
    ProjectOption,
    RegionOption,
    ReplicasOption,
    SpotOption,
    StagingOption,
    TrialHoursOption,
    read_budget,
    read_pairs,
)
from nas.errors import UserError


def register(app: typer.Typer) -> None:
    app.command()(study)


def study(
    space: SpaceArgument,
    project: ProjectOption,
    region: RegionOption,
    image: ImageOption,
    staging: StagingOption,
    command: CommandOption = "nas trial",
    arg: ArgumentOption = None,
    metric: Annotated[str, typer.Option("--metric", help="Which of the trial's metrics counts.")] = "val_mse",
    goal: Annotated[str, typer.Option("--goal", metavar="maximize|minimize")] = "minimize",
    at_most: AtMostOption = None,
    controller: Annotated[str, typer.Option("--controller", help="As for `nas search`.")] = "auto",
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Finished trials in all, those of earlier runs included.")
    ] = 50,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Jobs at a time.")] = 4,
    machine: MachineOption = "n1-standard-8",
    accelerator: AcceleratorOption = "",
    replicas: ReplicasOption = 1,
    service_account: AccountOption = "",
    network: NetworkOption = "",
    env: EnvOption = None,
    trial_hours: TrialHoursOption = None,
    spot: SpotOption = False,
    max_machine_hours: HoursOption = None,
    max_cost: CostOption = None,
    price: PriceOption = None,
    seed: SeedOption = 0,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The study's directory.")] = "runs/vertex-study",
    endpoint: EndpointOption = "",
    every_s: EveryOption = 30,
    dry_run: DryRunOption = False,
) -> None:
    """Searches with any controller of ours here, each network judged by a job on Vertex AI's machines.

    Networks over a limit on costs (flops, macs, params, peak_activation_bytes) are never sent. The directory is a study's:
    `nas top`, `nas status` and `nas report` read it. After Ctrl-C or a crash the same command goes on and finds its jobs.
    Once its jobs have used up --max-machine-hours or --max-cost, those that run are cancelled; the same command with a larger
    budget goes on.

    Example: nas vertex study colorizer --image IMAGE --arg --space=colorizer --arg --epochs=5 --controller nsga2
    --at-most flops=100e6 --staging gs://BUCKET/study1 --project P --region europe-west4 --workers 20 --out runs/study1
    """
    import controllers
    import evaluators
    import nas
    from trainer.vertex.cloud import Vertex, as_sent
    from trainer.vertex.fleet import Fleet
    from trainer.vertex.place import Place
    from trainer.vertex.requests import Workers

    place, budget = Place(project, region, endpoint), read_budget(max_machine_hours, max_cost, price)
    limits = read_limits(at_most)
    for name, bound in limits.items():
        if isinstance(bound, str):
            raise UserError(f"{bound!r} is no number", path="--at-most", received=bound, expected=f"{name}=NUMBER")
    if goal not in ("maximize", "minimize"):
        raise UserError(f"{goal!r} is not known", path="--goal", received=goal, expected="maximize or minimize")
    container = Workers(
        image, staging, shlex.split(command), arg or (), machine, accelerator, replicas, None, service_account, network,
        read_pairs(env, "--env"), trial_hours, spot,
    )  # fmt: skip
    found = find_space(space)
    label, measured_h = _earlier(out)
    judge = evaluators.VertexCustomJob(place, container, [metric], every_s=every_s, study=label)
    if dry_run:
        return print_json(as_sent("customJobs", judge.request(found.sample(seed=seed), seed=seed), place))
    made = nas.Study(
        found,
        controllers.get(controller, seed=seed),
        [evaluators.Cost(), judge],
        objectives=[nas.minimize(metric) if goal == "minimize" else nas.maximize(metric)],
        constraints=[nas.at_most(name, float(bound)) for name, bound in limits.items()],
        directory=out,
        seed=seed,
        notes={"place": place.to_json(), "space": space, "label": label},
    )
    fleet = None
    if max_machine_hours is not None or max_cost is not None:
        fleet = Fleet(Vertex(place, patience_s=judge.patience_s), label, budget, every_s=every_s, measured_h=measured_h)
    try:
        outcome = made.run(trials=trials, workers=workers, progress=True, until=fleet.spent if fleet else None)
        if fleet and outcome.status == "stopped":
            console(to_stderr=True).print("The budget is spent. Jobs that run are being cancelled.")
            fleet.cancel()
    except KeyboardInterrupt:
        raise say_interrupted("the same command; jobs that run meanwhile are found again") from None
    go_on = " The same command with a larger budget goes on." if outcome.status == "stopped" else ""
    console().print(f"{outcome.message}{go_on} The best: nas top {out}", soft_wrap=True)


def _earlier(out: str) -> tuple[str, float]:
    """The label of a study's jobs (a new one, where the directory holds none) and the machine hours its trials reported."""
    import nas
    from nas.study.database import exists

    if not exists(out):
        return uuid.uuid4().hex, 0.0
    study = nas.Study.open(out)
    hours = (trial.measurements["machine_hours"].value for trial in study.trials if "machine_hours" in trial.measurements)
    return study.notes.get("label") or uuid.uuid4().hex, sum(hours)
