"""`nas vertex study`: a study on this machine whose controller is any of ours, and whose trials are CustomJobs on Vertex AI."""

from __future__ import annotations

import shlex
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
    DryRunOption,
    EndpointOption,
    EnvOption,
    EveryOption,
    ImageOption,
    MachineOption,
    NetworkOption,
    ProjectOption,
    RegionOption,
    ReplicasOption,
    SpotOption,
    StagingOption,
    TrialHoursOption,
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
    controller: Annotated[str, typer.Option("--controller", help="As for `nas search`.")] = "evolution",
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
    seed: SeedOption = 0,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The study's directory.")] = "runs/vertex-study",
    endpoint: EndpointOption = "",
    every_s: EveryOption = 30,
    dry_run: DryRunOption = False,
) -> None:
    """Searches with any controller of ours here, each network judged by a job on Vertex AI's machines.

    Networks over a limit on costs (flops, macs, params, peak_activation_bytes) are never sent. The directory is a study's:
    `nas top`, `nas status` and `nas report` read it. After Ctrl-C or a crash the same command goes on and finds its jobs.

    Example: nas vertex study colorizer --image IMAGE --arg --space=colorizer --arg --epochs=5 --controller nsga2
    --at-most flops=100e6 --staging gs://BUCKET/study1 --project P --region europe-west4 --workers 20 --out runs/study1
    """
    import controllers
    import evaluators
    import nas
    from trainer.vertex.cloud import as_sent
    from trainer.vertex.place import Place
    from trainer.vertex.requests import Workers

    place = Place(project, region, endpoint)
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
    judge = evaluators.VertexCustomJob(place, container, [metric], every_s=every_s)
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
        notes={"place": place.to_json(), "space": space},
    )
    try:
        outcome = made.run(trials=trials, workers=workers, progress=True)
    except KeyboardInterrupt:
        raise say_interrupted("the same command; jobs that run meanwhile are found again") from None
    console().print(f"{outcome.message} The best: nas top {out}")
