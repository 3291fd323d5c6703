"""`nas vertex search|tune|train|resume`: the commands that send a job."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.common import JsonOption, console, find_space, print_json
from nas.cli.vertex_jobs import follow
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
    FolderArgument,
    HoursOption,
    ImageOption,
    LabelOption,
    MachineOption,
    NameOption,
    NetworkOption,
    OutOption,
    PatienceOption,
    PriceOption,
    ProjectOption,
    RegionOption,
    ReplicasOption,
    SpotOption,
    StagingOption,
    TrialHoursOption,
    WatchOption,
    read_budget,
    read_pairs,
)
from nas.errors import StudyError, UserError

if TYPE_CHECKING:
    from trainer.vertex.folder import JobFolder, JobRecord
    from trainer.vertex.place import Place


def register(app: typer.Typer) -> None:
    for command in (search, tune, train, resume):
        app.command()(command)


def search(
    project: ProjectOption,
    region: RegionOption,
    space: Annotated[
        str | None, typer.Argument(metavar="[SPACE]", help="A prebuilt name, module.path.function, or file.py:function.")
    ] = None,
    job: Annotated[str | None, typer.Option("--job", metavar="FILE", help="Or a NasJob as JSON; it is sent as it is.")] = None,
    image: ImageOption = "",
    staging: StagingOption = "",
    command: CommandOption = "",
    arg: ArgumentOption = None,
    metric: Annotated[str, typer.Option("--metric", help="The tag under which trials report.")] = "reward",
    goal: Annotated[str, typer.Option("--goal", metavar="maximize|minimize")] = "maximize",
    trials: Annotated[int, typer.Option("--trials", min=1, help="Search trials in all.")] = 100,
    parallel: Annotated[int, typer.Option("--parallel", min=1, help="Search trials at a time.")] = 10,
    max_failed: Annotated[
        int, typer.Option("--max-failed", min=0, help="The job fails at so many failures; 0: Vertex decides.")
    ] = 0,
    algorithm: Annotated[str, typer.Option("--algorithm", metavar="rl|grid")] = "rl",
    train_top: Annotated[int, typer.Option("--train-top", min=0, help="Train so many of the best fully ...")] = 0,
    train_every: Annotated[int, typer.Option("--train-every", min=0, help="... after every so many search trials.")] = 0,
    train_machine: Annotated[str, typer.Option("--train-machine", help="Another machine for those.")] = "",
    train_accelerator: Annotated[str, typer.Option("--train-accelerator", help="Other accelerators for those.")] = "",
    train_arg: Annotated[list[str] | None, typer.Option("--train-arg", help="Other flags for those. Repeatable.")] = None,
    machine: MachineOption = "n1-standard-8",
    accelerator: AcceleratorOption = "",
    replicas: ReplicasOption = 1,
    service_account: AccountOption = "",
    network: NetworkOption = "",
    env: EnvOption = None,
    label: LabelOption = None,
    trial_hours: TrialHoursOption = None,
    spot: SpotOption = False,
    max_machine_hours: HoursOption = None,
    max_cost: CostOption = None,
    price: PriceOption = None,
    name: NameOption = "",
    out: OutOption = "runs/vertex",
    endpoint: EndpointOption = "",
    watch: WatchOption = False,
    every_s: EveryOption = 30,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Sends an architecture search: Vertex AI proposes networks of the space, and its machines run the image once for each.

    Each trial gets its network as --nas_params_str and reports with hypertune; `nas vertex local` runs the same job here.

    Example: nas vertex search colorizer --image IMAGE --command "nas trial" --arg --space=colorizer
    --metric val_mse --goal minimize --trials 200 --train-top 5 --train-every 100
    --staging gs://BUCKET/runs --project P --region europe-west4 --out runs/cloud
    """
    import dataclasses

    from trainer.vertex.job_spec import NasJobSpec
    from trainer.vertex.place import Place
    from trainer.vertex.requests import Search, Workers, nas_job
    from trainer.vertex.search_space import encode_search_space

    place = Place(project, region, endpoint)
    title = name or _title(out)
    labels = read_pairs(label, "--label")
    if (space is None) == (job is None):
        raise UserError("name a space or a job", path="nas vertex search", expected="either SPACE or --job FILE")
    if job is not None:
        if image or staging or command or arg:
            hint = "Leave out --image, --staging, --command and --arg"
            raise UserError("the job says who trains", path="--job", received=job, hint=hint)
        spec = NasJobSpec.from_json(_read_text(job))
        request = {"displayName": name or spec.display_name or title, "nasJobSpec": spec.to_json()}
        request |= {"labels": labels} if labels else {}
    else:
        assert space is not None
        workers = Workers(
            image, staging, shlex.split(command), arg or (), machine, accelerator, replicas, None, service_account, network,
            read_pairs(env, "--env"), trial_hours, spot,
        )  # fmt: skip
        trainers = dataclasses.replace(
            workers,
            machine=train_machine or machine,
            accelerator=train_accelerator or accelerator,
            arguments=arg or () if train_arg is None else train_arg,
        )
        _check_word("--goal", goal, ("maximize", "minimize"))
        _check_word("--algorithm", algorithm, ("rl", "grid"))
        wanted = Search(metric, goal, trials, parallel, max_failed, algorithm, train_top, train_every, trainers)  # type: ignore[arg-type]
        request = nas_job(title, workers, encode_search_space(find_space(space)), wanted, labels)
    budget = read_budget(max_machine_hours, max_cost, price)
    notes = {"stage": "search", "budget": dataclasses.asdict(budget), "space": space or ""}
    _send(place, "nasJobs", request, notes, out, watch, every_s, dry_run, patience_s, as_json)


def tune(
    project: ProjectOption,
    region: RegionOption,
    image: ImageOption,
    staging: StagingOption,
    spec: Annotated[str, typer.Option("--spec", metavar="FILE", help="Parameters, metric and limits, as for `nas tune`.")],
    command: CommandOption = "",
    arg: ArgumentOption = None,
    max_trials: Annotated[int | None, typer.Option("--max-trials", min=1, help="Trials in all.")] = None,
    parallel: Annotated[int | None, typer.Option("--parallel", min=1, help="Trials at a time.")] = None,
    machine: MachineOption = "n1-standard-8",
    accelerator: AcceleratorOption = "",
    replicas: ReplicasOption = 1,
    service_account: AccountOption = "",
    network: NetworkOption = "",
    env: EnvOption = None,
    label: LabelOption = None,
    trial_hours: TrialHoursOption = None,
    spot: SpotOption = False,
    max_machine_hours: HoursOption = None,
    max_cost: CostOption = None,
    price: PriceOption = None,
    name: NameOption = "",
    out: OutOption = "runs/vertex",
    endpoint: EndpointOption = "",
    watch: WatchOption = False,
    every_s: EveryOption = 30,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Sends hyperparameter tuning: the spec and script of `nas tune --script ... --spec ...`, on Vertex AI's machines.

    Example: nas vertex tune --spec hpt.yaml --image IMAGE --command "python -m trainer.task" --staging gs://BUCKET/runs
    --project P --region europe-west4 --accelerator NVIDIA_TESLA_T4 --out runs/cloud-tuning --watch
    """
    import dataclasses

    from trainer.tuning.spec import load_spec
    from trainer.vertex.place import Place
    from trainer.vertex.requests import Workers, tuning_job

    place = Place(project, region, endpoint)
    tuning = load_spec(spec)
    tuning = dataclasses.replace(
        tuning,
        max_trial_count=max_trials or tuning.max_trial_count,
        parallel_trial_count=parallel or tuning.parallel_trial_count,
    )
    workers = Workers(
        image, staging, shlex.split(command), arg or (), machine, accelerator, replicas, None, service_account, network,
        read_pairs(env, "--env"), trial_hours, spot,
    )  # fmt: skip
    request = tuning_job(name or _title(out), workers, tuning, read_pairs(label, "--label"))
    notes = {"stage": "tune", "budget": dataclasses.asdict(read_budget(max_machine_hours, max_cost, price))}
    _send(place, "hyperparameterTuningJobs", request, notes, out, watch, every_s, dry_run, patience_s, as_json)


def train(
    directory: FolderArgument,
    trials: Annotated[str, typer.Option("--trials", metavar="N[,N...]", help="Search trials to train fully.")],
    name: NameOption = "",
    watch: WatchOption = False,
    every_s: EveryOption = 30,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Trains chosen trials of a search fully, as a job of its own: its trial k trains the k-th of them.

    Machines and flags are those of the search's train stage, or where it has none, of its trials.

    Example: nas vertex train runs/cloud --trials 17,42 --watch
    """
    from trainer.vertex.requests import retrain_job

    folder, search = _latest_search(directory)
    numbers = _numbers(trials)
    known = folder.trials() if search is folder.latest else {}
    for number in numbers:
        if known and str(number) not in known:
            raise UserError(f"no trial {number}", path="--trials", received=number, hint=f"See: nas vertex trials {directory}")
    spec = next(record for record in reversed(folder.records) if "searchSpaceSpec" in record.request.get("nasJobSpec", {}))
    request = retrain_job(name or f"{search.request['displayName']}-train", spec.request, numbers)
    _follow_up(folder, request, "train", watch, every_s, dry_run, patience_s, as_json)


def resume(
    directory: FolderArgument,
    name: NameOption = "",
    watch: WatchOption = False,
    every_s: EveryOption = 30,
    dry_run: DryRunOption = False,
    patience_s: PatienceOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Goes on with a search that has ended, as a new job with the same space, algorithm and machines.

    Example: nas vertex resume runs/cloud --watch
    """
    from trainer.vertex.cloud import Vertex
    from trainer.vertex.kinds import ENDED
    from trainer.vertex.requests import resume_job

    folder, search = _latest_search(directory)
    if not dry_run:
        state = Vertex(search.place, patience_s=patience_s).get(search.name)["state"]
        if state not in ENDED:
            hint = f"Watch it: nas vertex watch {directory}"
            raise UserError(f"it has not ended, {state}", path=search.name, received=state, expected="an ended job", hint=hint)
    request = resume_job(name or search.request["displayName"], {**search.request, "name": search.name})
    _follow_up(folder, request, "search", watch, every_s, dry_run, patience_s, as_json)


def _latest_search(directory: str) -> tuple[JobFolder, JobRecord]:
    """The folder, and the search that was sent from it or resumed last."""
    from trainer.vertex.folder import JobFolder

    folder = JobFolder.open(directory)
    found = [record for record in folder.records if record.notes.get("stage") == "search" and record.name]
    if not found:
        raise StudyError("no search was sent from here", path=directory, hint="Begin with `nas vertex search`")
    return folder, found[-1]


def _follow_up(
    folder: JobFolder,
    request: dict[str, Any],
    stage: str,
    watch: bool,
    every_s: float,
    dry_run: bool,
    patience_s: float,
    as_json: bool,
) -> None:
    """Sends a job that follows another, to the same place and under the same limits."""
    place, notes = folder.latest.place, {**folder.latest.notes, "stage": stage}
    _send(place, "nasJobs", request, notes, str(folder.directory), watch, every_s, dry_run, patience_s, as_json, True)


def _send(
    place: Place,
    kind: str,
    request: dict[str, Any],
    notes: Mapping[str, Any],
    out: str,
    watch: bool,
    every_s: float,
    dry_run: bool,
    patience_s: float,
    as_json: bool,
    follows: bool = False,
) -> None:
    """Sends the job, or prints it, or finds that this directory has sent it already."""
    from trainer.vertex.cloud import Vertex, as_sent, check_job
    from trainer.vertex.folder import JobFolder, same_request
    from trainer.vertex.requests import labelled

    if dry_run:
        return print_json(as_sent(kind, labelled(request), place))
    check_job(kind, request)
    folder = JobFolder(out)
    sent = folder.latest if folder.records and folder.latest.name else None
    if sent is not None and same_request(sent.request, request) and sent.place == place:
        say = f"{sent.name} was sent from here before"
    elif sent is not None and not follows:
        hint = f"Choose another --out, or go on with it: nas vertex watch {out}"
        raise StudyError(f"{sent.name} was sent from here", path=out, received=request["displayName"], hint=hint)
    else:
        sent = folder.submit(Vertex(place, patience_s=patience_s), kind, request, notes)
        say = f"{sent.name} was sent"
    if not as_json:
        console().print(f"{say}. Watch it: nas vertex watch {out}", soft_wrap=True)
    elif not watch:
        print_json(sent.to_json())
    if watch:
        follow(folder, every_s, patience_s, as_json)


def _title(out: str) -> str:
    """A job's name from its directory's."""
    text = re.sub(r"[^\w-]", "-", Path(out).absolute().name)
    return text if text[:1].isalpha() else f"nas-{text}"


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"it cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UserError(problem, path=path, expected="a NasJob as JSON") from None


def _numbers(text: str) -> list[int]:
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise UserError(f"{text!r} is not a list of trials", path="--trials", received=text, expected="numbers such as 3,7")
    return list(dict.fromkeys(map(int, text.split(","))))


def _check_word(option: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise UserError(f"{word!r} is not known", path=option, received=word, expected=" or ".join(known))
