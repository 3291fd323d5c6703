"""`nas trial`: one trial of an architecture search under Vertex AI's protocol, for spaces written with this package."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.common import AtMostOption, LossOption, SeedOption, console, find_space, read_limits
from nas.errors import Infeasible, UserError

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.study.objective import Objective
    from trainer.settings import TrainSettings

LOSS, LATENCY = "val_loss", "latency_ms"
SHOWN_FIRST = (LOSS, LATENCY, "params", "peak_activation_bytes")


def register(app: typer.Typer) -> None:
    app.command()(trial)


def trial(
    space: Annotated[
        str, typer.Option("--space", metavar="SPACE", help="A prebuilt name, module.path.function, or file.py:function.")
    ],
    job_dir: Annotated[str, typer.Option("--job-dir", "--job_dir", metavar="DIR", help="The trial's own directory.")] = "trial",
    nas_params_str: Annotated[
        str,
        typer.Option("--nas_params_str", metavar="JSON|FILE", help='The network: {"enc0": "1/3 (2)", ...}, or such a file.'),
    ] = "",
    retrain_search_job_dir: Annotated[
        str, typer.Option("--retrain_search_job_dir", metavar="DIR", help="Or the directory of an earlier search's trials, ...")
    ] = "",
    retrain_search_job_trials: Annotated[
        str, typer.Option("--retrain_search_job_trials", metavar="N[,N...]", help="... of which trial k trains the k-th.")
    ] = "",
    data: Annotated[str, typer.Option("--data", metavar="NAME|DIR", help="As for `nas search`.")] = "photos",
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 3,
    steps_per_epoch: Annotated[int | None, typer.Option("--steps_per_epoch", min=1, help="One pass by default.")] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", min=1)] = 16,
    learning_rate: Annotated[float, typer.Option("--learning_rate")] = 1e-3,
    loss: LossOption = "auto",
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="METRIC=VALUE", help="The reward falls above it, e.g. latency_ms=5. Repeatable."),
    ] = None,
    at_most: AtMostOption = None,
    latency: Annotated[bool, typer.Option("--latency", help="Measure the latency, target or not.")] = False,
    seed: SeedOption = 0,
) -> None:
    """Trains the network that a search proposes, and reports: the entry point of a trial's container.

    It is told what to build by --nas_params_str, and what to report by CLOUD_ML_HP_METRIC_TAG: val_loss (also val_mse or
    val_crossentropy, by the loss's name), val_psnr and val_ssim of images, val_accuracy of classes, val_miou of classes of
    pixels, latency_ms, flops, params, peak_activation_bytes, or reward, which is to be maximized: val_accuracy or val_miou, of
    images 1 / (1 + val_loss), times min(1, target / measured) for each --target. A network over --at-most is not trained:
    its trial is infeasible. In stage 2 (the retrain flags, or a directory nas/train/N) the network is saved too.

    Example: nas trial --space colorizer --nas_params_str nas_params_str.json --job-dir runs/nas/search/1 --target latency_ms=5
    """
    from trainer import vertex_trial
    from trainer.settings import TrainSettings
    from trainer.training import Diverged

    directory = vertex_trial.get_job_dir_from_environment_if_exist(job_dir)
    limits, targets = _numbers(at_most, "--at-most"), _numbers(target, "--target")
    if retrain_search_job_trials or retrain_search_job_dir:
        nas_params_str = vertex_trial.get_finetune_nas_params_str(retrain_search_job_trials, retrain_search_job_dir)
    if not nas_params_str:
        raise UserError("no network is named", path="--nas_params_str", expected="JSON, or a path ending in .json")
    params = vertex_trial.read_nas_params_str(nas_params_str)
    found = find_space(space)
    architecture = found.architecture(found.genome.from_vertex(params))
    vertex_trial.save_nas_params(params, directory)
    settings = TrainSettings(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=batch_size,
        learning_rate=learning_rate,
        loss=loss,
        seed=seed,
    )
    stage_2 = bool(retrain_search_job_trials) or Path(directory).parent.name == "train"
    measured: dict[str, float] = {}
    shown: Sequence[str] = SHOWN_FIRST
    status = vertex_trial.JOB_STATUS_FAILED
    try:
        measured |= _price(architecture, latency or LATENCY in {*limits, *targets}, directory)
        _gate(measured, limits)
        objective, figures = _train(architecture, data, settings, directory if stage_2 else "")
        measured |= figures
        measured["reward"] = _reward(measured, objective, targets)
        shown = SHOWN_FIRST if objective.goal == "minimize" else (*SHOWN_FIRST, objective.metric)
        status = vertex_trial.JOB_STATUS_SUCCESS
    except Infeasible as error:
        if isinstance(error, Diverged):
            status = vertex_trial.JOB_STATUS_FAILED_WITH_NAN_ERROR
        console(to_stderr=True).print(f"infeasible: {error}", markup=False, soft_wrap=True)
    finally:
        vertex_trial.write_job_status(directory, status)
    _report(measured, epochs, shown)
    vertex_trial.write_model_analysis(directory, {name: value for name, value in measured.items() if math.isfinite(value)})
    for name, value in measured.items():
        console().print(f"{name} {value:.6g}")


def _price(architecture: Architecture, timed: bool, directory: str) -> dict[str, float]:
    """What the network costs: counted, and timed where asked."""
    from trainer import vertex_trial

    measured = {name: float(value) for name, value in dataclasses.asdict(architecture.cost()).items()}
    if timed:
        from evaluators import Latency

        found = Latency().evaluate(architecture)
        measured[LATENCY] = found[LATENCY].value
        memory = found["latency_memory_bytes"].value if "latency_memory_bytes" in found else 0.0
        vertex_trial.write_model_latency(vertex_trial.get_saved_model_dir(directory), measured[LATENCY], memory)
    return measured


def _gate(measured: Mapping[str, float], limits: Mapping[str, float]) -> None:
    """Ends the trial as infeasible, before it is trained, where the network is over a limit."""
    for name, limit in limits.items():
        if name not in measured:
            raise UserError(f"{name!r} is not measured", path="--at-most", received=name, expected=", ".join(measured))
        if measured[name] > limit:
            raise Infeasible(f"{name} is {measured[name]:.6g}, at most {limit:.6g} is allowed")


def _train(architecture: Architecture, data: str, settings: TrainSettings, save_to: str) -> tuple[Objective, dict[str, float]]:
    """What a search on these data goes by, and validation figures after training: the loss under both its names, the scores.

    With `save_to` they are those of the best epoch, whose network is saved there.
    """
    from trainer import vertex_trial
    from trainer.data import load_data
    from trainer.storage import mounted
    from trainer.task import output_folder, save
    from trainer.training import train, validation

    dataset = load_data(data)
    checkpoints = mounted(os.environ.get("AIP_CHECKPOINT_DIR", "")) if os.environ.get("AIP_CHECKPOINT_DIR") else None
    model = architecture.build(seed=settings.seed)
    result = train(model, dataset, settings, _say_epoch, restore_best=bool(save_to), checkpoint_directory=checkpoints)
    if save_to:
        with output_folder(os.environ.get("AIP_MODEL_DIR") or save_to) as folder:
            assert folder is not None
            save(model, folder, dataset, result)
        with output_folder(vertex_trial.get_saved_model_dir(save_to)) as folder:
            model.export(folder, verbose=False)
    kept = result.history[result.kept_epoch - 1]
    losses = {LOSS: kept.val_loss, f"val_{dataset.task.loss_named(settings.loss)}": kept.val_loss}
    return dataset.task.objective(settings.loss), losses | validation(kept.scores)


def _say_epoch(epoch: int, logs: Mapping[str, float]) -> None:
    figures = ", ".join(f"{name} {value:.5f}" for name, value in logs.items() if name != "seconds")
    print(f"epoch {epoch}: {figures}, {logs['seconds']:.1f} s", flush=True)


def _reward(measured: Mapping[str, float], objective: Objective, targets: Mapping[str, float]) -> float:
    """Vertex AI's reward in its hard mode, of a quality that is 1 at best: a share that is right, or little loss."""
    from nas.study.reward import Reward

    value = measured[objective.metric]
    values = {**measured, "quality": value if objective.goal == "maximize" else 1 / (1 + value)}
    for name in targets:
        if name not in measured:
            raise UserError(f"{name!r} is not measured", path="--target", received=name, expected=", ".join(measured))
    return Reward("vertex-hard", "quality", tuple(targets.items()), 1.0).value(values, "maximize")


def _report(measured: Mapping[str, float], epochs: int, shown: Sequence[str]) -> None:
    """The metric that is asked for, NaN where the network could not be judged, and of the others those that are shown."""
    from trainer import vertex_trial

    tag = os.environ.get("CLOUD_ML_HP_METRIC_TAG", "")
    if not tag:
        return
    if "reward" in measured and tag not in measured:
        raise UserError(f"{tag!r} is not measured", path="CLOUD_ML_HP_METRIC_TAG", received=tag, expected=", ".join(measured))
    value = measured.get(tag, math.nan) if "reward" in measured else math.nan
    others = {name: measured[name] for name in shown if name in measured and name != tag}
    reporter = vertex_trial.NasMetricsReporter()
    reporter.report_metrics(tag, value, epochs, model_flops=measured.get("flops", 0.0), other_metrics=others)


def _numbers(texts: list[str] | None, path: str) -> dict[str, float]:
    found = read_limits(texts)
    for name, value in found.items():
        if not isinstance(value, float) or not 0 < value < math.inf:
            raise UserError(f"{value!r} is not a number", path=path, received=value, expected=f"{name}=NUMBER, above 0")
    return {name: float(value) for name, value in found.items()}
