"""A tuning for TensorBoard: its HParams tab compares trials, its Scalars tab has the curve of each.

One run a trial, with its values, its reports and how it ended; the parameters' ranges beside them. The files are written from
what is recorded, so they can be written again at any time; TensorFlow plays no part. `tensorboard --logdir FOLDER` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.tuning.ledger import TuningTrial
from trainer.tuning.parameters import Double, Integer, Parameter

if TYPE_CHECKING:
    from trainer.tuning.result import TuningResult

FILE = "events.out.tfevents.0.tuning"
"""TensorBoard looks for `tfevents` in a name."""


def write_hparams(result: TuningResult, folder: str | Path) -> None:
    """Writes `FOLDER/events...` with the ranges and `FOLDER/trial-<id>/events...` for each trial that ended."""
    folder, metric = Path(folder), result.spec.metric
    _write(folder, [(0.0, 0, _ranges(result))])
    for trial in result.trials:
        if trial.is_finished:
            _write(folder / f"trial-{trial.id}", _events(trial, metric))


def _events(trial: TuningTrial, metric: str) -> Iterator[tuple[float, int, Any]]:
    """Of one trial: (time, step, summary)."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, summary_v2

    name, ended = f"trial-{trial.id}", trial.started + trial.seconds
    yield trial.started, 0, summary_v2.hparams_pb(dict(trial.values), trial_id=name, start_time_secs=trial.started)
    for report in trial.reports:
        yield report.timestamp, report.step, Summary(value=[Summary.Value(tag=metric, simple_value=report.value)])
    yield ended, 0, _session_end(api_pb2.STATUS_SUCCESS if trial.has_result else api_pb2.STATUS_FAILURE, ended)


def _session_end(status: int, time: float) -> Any:
    """How a trial ended; the public porcelain has only its beginning."""
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2, summary_v2

    summary = summary_v2.hparams_pb({}, trial_id="")
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time)
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, session_end_info=end)
    summary.value[0].tag = metadata.SESSION_END_INFO_TAG
    summary.value[0].metadata.plugin_data.content = data.SerializeToString()
    return summary


def _ranges(result: TuningResult) -> Any:
    from tensorboard.plugins.hparams import summary_v2

    parameters = [summary_v2.HParam(name, _domain(parameter)) for name, parameter in result.parameters.items()]
    return summary_v2.hparams_config_pb(parameters, [summary_v2.Metric(result.spec.metric)], time_created_secs=0.0)


def _domain(parameter: Parameter) -> Any:
    from tensorboard.plugins.hparams import summary_v2

    match parameter:
        case Double():
            return summary_v2.RealInterval(float(parameter.min), float(parameter.max))
        case Integer():
            return summary_v2.IntInterval(parameter.min, parameter.max)
    values: Sequence[Any] = parameter.values
    return summary_v2.Discrete([value if isinstance(value, str) else float(value) for value in values])


def _write(folder: Path, events: Any) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
        for time, step, summary in events:
            writer.write(Event(wall_time=time, step=step, summary=summary).SerializeToString())
