"""What a Vertex AI NAS trainer imports, under the names it knows: reports, decoding, reward, files and retraining.

Trainers for Vertex AI NAS come with helper modules called `cloud_nas_utils` and `metrics_reporter`. This one has their
functions, with their names and arguments, so a trainer runs with these lines changed and no other:

    from trainer import vertex_trial as cloud_nas_utils
    from trainer import vertex_trial as metrics_reporter

    value = cloud_nas_utils.parse_and_save_nas_params_str(search_space, args.nas_params_str, args.job_dir)
    metrics_reporter.NasMetricsReporter().report_metrics("accuracy", 0.91, global_step=10, other_metrics={"latency_ms": 4.2})

Paths are local, `/gcs/bucket/...` or `gs://bucket/...`. PyGlove is imported where a space is decoded, nothing else is.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from trainer import storage

JOB_STATUS_KEY = "job_status"
JOB_STATUS_SUCCESS, JOB_STATUS_FAILED, JOB_STATUS_FAILED_WITH_NAN_ERROR = "success", "failed", "failed_with_nan_error"
SAVED_MODEL_SUB_DIR = "saved_model"

PARAMS_FILE, TUNABLE_OBJECT_FILE = "nas_params_str.json", "serialized_tunable_object.json"
STATUS_FILE, ANALYSIS_FILE, LATENCY_FILE = "job_status.json", "model_analysis.json", "model_latency.json"
METRIC_FILE = "/tmp/hypertune/output.metrics"  # where the service reads if it does not say otherwise
MOST_REPORTS, MOST_OTHER_METRICS, LONGEST_NAME = 100, 5, 64
NEXT_TO_ZERO = 1e-8  # the service takes a reward of 0 for none


class NasMetricsReporter:
    """Reports to the service, or to the engine on this machine, in the file that CLOUD_ML_HP_METRIC_FILE names.

    Reporters of one process add to the same file: the last 100 reports stay.
    """

    def __init__(self) -> None:
        self._path = Path(os.environ.get("CLOUD_ML_HP_METRIC_FILE") or METRIC_FILE)

    def report_metrics(
        self,
        hyperparameter_metric_tag: str,
        metric_value: float,
        global_step: int | None = None,
        checkpoint_path: str = "",
        model_flops: float = 0.0,
        other_metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Reports the reward, and up to five other numbers that are shown beside it.

        Args:
            hyperparameter_metric_tag: the metric's name, CLOUD_ML_HP_METRIC_TAG.
            metric_value: NaN makes the trial infeasible.
            global_step: how far training is.
            checkpoint_path: kept beside it.
            model_flops: of the model.
            other_metrics: name of at most 64 characters -> number.

        Raises:
            UserError: too many other metrics, a name too long, or one that is taken.
        """
        others = dict(other_metrics or {})
        taken = {hyperparameter_metric_tag, "model_flops", "global_step"}
        wrong = next((name for name in others if len(name) > LONGEST_NAME or name in taken), None)
        if wrong is not None or len(others) > MOST_OTHER_METRICS:
            expected = (
                f"up to {MOST_OTHER_METRICS}, of {LONGEST_NAME} characters at most, other than {', '.join(sorted(taken))}"
            )
            problem = f"{wrong!r} does not fit" if wrong is not None else f"{len(others)} metrics"
            raise UserError(problem, path="other_metrics", received=others, expected=expected)
        entry = {
            "timestamp": time.time(),
            "trial": get_trial_id_from_environment(),
            hyperparameter_metric_tag: str(float(metric_value) or NEXT_TO_ZERO),
            "global_step": str(int(global_step or 0)),
            "checkpoint_path": checkpoint_path,
            "model_flops": str(float(model_flops)),
        }
        for i, (name, value) in enumerate(others.items()):
            entry |= {f"key_{i}": name, f"value_{i}": str(float(value))}
        self._add(json.dumps(entry, sort_keys=True))

    def _add(self, line: str) -> None:
        earlier = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        lines = [*earlier, line][-MOST_REPORTS:]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(self._path.name + ".part")  # replaced at once: a reader sees whole reports
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
        draft.replace(self._path)


def report(metrics: Mapping[str, float], step: int | None = None, model_dir: str = "", model_flops: float = 0.0) -> None:
    """Reports the metric that the service asks for, the others beside it, and leaves `job_status.json` in `model_dir`.

    Where the service asks for none (CLOUD_ML_HP_METRIC_TAG is empty) nothing is reported.

    Raises:
        UserError: the metric that is asked for is not among `metrics`.
    """
    tag = os.environ.get("CLOUD_ML_HP_METRIC_TAG", "")
    value = metrics.get(tag, math.nan)
    if tag and tag not in metrics:
        raise UserError(f"there is no {tag!r}", path="metrics", received=dict(metrics), expected=f"{tag}, which is asked for")
    if tag:
        others = {name: number for name, number in metrics.items() if name != tag}
        NasMetricsReporter().report_metrics(tag, value, step, model_flops=model_flops, other_metrics=others)
    if model_dir:
        diverged = bool(tag) and not math.isfinite(value)
        write_job_status(model_dir, JOB_STATUS_FAILED_WITH_NAN_ERROR if diverged else JOB_STATUS_SUCCESS)


# -- which architecture ----------------------------------------------------------------------------------------------------


def read_nas_params_str(nas_params_str: str) -> dict[str, Any]:
    """`--nas_params_str` as a dict: JSON text, or a path ending in .json.

    Raises:
        UserError: no JSON object of texts and numbers.
    """
    text = storage.read_text(nas_params_str) if nas_params_str.endswith(".json") else nas_params_str
    expected = 'JSON such as {"kernel": "1/3 (5)"}'
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"it is no JSON ({error})", path="--nas_params_str", received=text, expected=expected) from None
    plain = isinstance(found, dict) and all(isinstance(value, str | int | float) for value in found.values())
    if not plain:
        raise UserError("it is not an object of plain values", path="--nas_params_str", received=found, expected=expected)
    return found


def parse_and_save_nas_params_str(search_space: Any, nas_params_str: str, model_dir: str | None = None) -> Any:
    """The architecture that the service proposes, as a value of the space.

    Args:
        search_space: any PyGlove hyper value.
        nas_params_str: JSON text, or a path ending in .json.
        model_dir: gets `nas_params_str.json`, by which stage 2 finds the architecture again; None: nowhere.

    Raises:
        UserError: it is no JSON, or names no point of the space.
    """
    import pyglove as pg

    params = read_nas_params_str(nas_params_str)
    try:
        value = pg.materialize(search_space, params)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        problem = f"it names no point of the space ({error})"
        raise UserError(problem, path="--nas_params_str", received=params, hint="Give the space that it was made for") from None
    if model_dir:
        save_nas_params(params, model_dir)
    return value


def save_nas_params(params: Mapping[str, Any], model_dir: str) -> None:
    """`nas_params_str.json`, by which stage 2 finds the architecture again."""
    _write(model_dir, PARAMS_FILE, json.dumps(dict(params)))


def serialize_and_save_tunable_object(tunable_object: Any, model_dir: str) -> str:
    """The architecture as PyGlove's JSON, for people and other programs, in `serialized_tunable_object.json`; returns it."""
    import pyglove as pg

    text = pg.to_json_str(tunable_object, json_indent=2, hide_default_values=False)
    _write(model_dir, TUNABLE_OBJECT_FILE, text)
    return text


# -- retraining ------------------------------------------------------------------------------------------------------------


def get_map_finetune_trial_id_to_search_trial_id(retrain_search_job_trials: str) -> dict[str, str]:
    """`"123, 453"` as `{"1": "123", "2": "453"}`: which search trial each stage-2 trial trains."""
    return {str(k): word.strip() for k, word in enumerate(retrain_search_job_trials.split(","), 1)}


def get_search_trial_id_to_finetune(retrain_search_job_trials: str) -> str:
    """The search trial that this process retrains.

    Raises:
        UserError: there are fewer ids than this trial's number, or it has none.
    """
    ids = get_map_finetune_trial_id_to_search_trial_id(retrain_search_job_trials)
    number = str(get_trial_id_from_environment())
    if not ids.get(number, "").isdecimal():
        raise UserError(
            f"trial {number} has no search trial in {retrain_search_job_trials!r}",
            path="--retrain_search_job_trials",
            received=retrain_search_job_trials,
            expected="ids such as 1,9: stage-2 trial k (CLOUD_ML_TRIAL_ID) trains the k-th",
        )
    return ids[number]


def get_retrain_search_job_model_dir(retrain_search_job_trials: str, retrain_search_job_dir: str) -> str:
    """The directory of the search trial that this process retrains."""
    return os.path.join(retrain_search_job_dir, get_search_trial_id_to_finetune(retrain_search_job_trials))


def get_finetune_nas_params_str(retrain_search_job_trials: str, retrain_search_job_dir: str) -> str:
    """Where the architecture is that this process retrains: what `--nas_params_str` may be.

    Raises:
        UserError: one of the two is empty, or names no trial for this process.
    """
    for name, value in (("trials", retrain_search_job_trials), ("dir", retrain_search_job_dir)):
        if not value:
            raise UserError("it is not set", path=f"--retrain_search_job_{name}", expected="both flags or none")
    return os.path.join(get_retrain_search_job_model_dir(retrain_search_job_trials, retrain_search_job_dir), PARAMS_FILE)


# -- where -----------------------------------------------------------------------------------------------------------------


def get_trial_id_from_environment() -> str:
    """CLOUD_ML_TRIAL_ID; "0" outside a service."""
    return os.environ.get("CLOUD_ML_TRIAL_ID", "0")


def get_job_dir_from_environment_if_exist(current_job_dir: str) -> str:
    """The trial's directory: the part of AIP_MODEL_DIR up to nas/search/ID or nas/train/ID; `current_job_dir` without one.

    Raises:
        UserError: AIP_MODEL_DIR has no such part.
    """
    model_dir = os.environ.get("AIP_MODEL_DIR", "")
    if not model_dir:
        return current_job_dir
    found = re.match(r".*nas/(search|train)/\d+", model_dir)
    if found is None:
        expected = "a directory in nas/search/ID or nas/train/ID"
        raise UserError("it is not that of a trial", path="AIP_MODEL_DIR", received=model_dir, expected=expected)
    return found[0]


def get_saved_model_dir(trial_job_dir: str) -> str:
    """Where a trial's SavedModel goes."""
    return os.path.join(trial_job_dir, SAVED_MODEL_SUB_DIR)


# -- results ---------------------------------------------------------------------------------------------------------------


def compute_reward(
    accuracy: float,
    target_latency_or_flops: float,
    measured_latency_or_flops: float,
    target_memory: float = 0,
    measured_memory: float = 0,
    weight: float = 1,
    use_hard_limit: bool = True,
) -> float:
    """accuracy * (T / latency)^w * (Tm / memory)^w; with a hard limit no factor is above 1.

    Args:
        accuracy: as large as good.
        target_latency_or_flops, measured_latency_or_flops: both in one unit.
        target_memory, measured_memory: both in one unit; a target of 0: memory does not count.
        weight: w; larger means more loss beyond the target.
        use_hard_limit: nothing is won below the target.

    Raises:
        UserError: a target or measurement that is not above 0.

    Example:
        >>> compute_reward(0.9, target_latency_or_flops=5, measured_latency_or_flops=10)
        0.45
    """
    from nas.study.reward import Reward

    costs = {"latency_or_flops": (target_latency_or_flops, measured_latency_or_flops)}
    if target_memory:
        costs["memory"] = (target_memory, measured_memory)
    for name, (target, measured) in costs.items():
        if not (target > 0 and measured > 0):
            problem, expected = f"a target of {target} and {measured} measured", "both above 0"
            raise UserError(problem, path=name, received=(target, measured), expected=expected)
    targets = tuple((name, float(target)) for name, (target, _) in costs.items())
    reward = Reward("vertex-hard" if use_hard_limit else "vertex", "accuracy", targets, float(weight))
    measurements = {name: float(measured) for name, (_, measured) in costs.items()}
    return reward.value({"accuracy": float(accuracy), **measurements}, "maximize")


def write_job_status(model_dir: str, status: str) -> None:
    """How a trial ended, in `job_status.json`: one of the three JOB_STATUS words."""
    _write(model_dir, STATUS_FILE, json.dumps({JOB_STATUS_KEY: status}))


def write_model_analysis(model_dir: str, metrics: Mapping[str, float]) -> None:
    """Everything measured of a trial's model, in `model_analysis.json`."""
    _write(model_dir, ANALYSIS_FILE, json.dumps(dict(metrics), indent=2, sort_keys=True))


def write_model_latency(saved_model_path: str, latency_in_milliseconds: float, model_memory: float = 0) -> None:
    """A model's latency and memory, in `model_latency.json` beside its SavedModel, where trainers wait for it."""
    found = {"latency_in_milliseconds": latency_in_milliseconds, "model_memory": model_memory}
    _write(saved_model_path, LATENCY_FILE, json.dumps(found))


def wait_and_retrieve_latency(saved_model_path: str, sleep_time: float = 30, timeout_s: float = 600) -> dict[str, Any]:
    """Waits until another process has written `model_latency.json`, and returns what it says.

    Raises:
        UserError: it did not within `timeout_s` seconds.
    """
    path = os.path.join(saved_model_path, LATENCY_FILE)
    end = time.monotonic() + timeout_s
    while True:
        try:
            return json.loads(storage.read_text(path))
        except (UserError, ValueError):  # not there, or not whole yet
            if time.monotonic() > end:
                hint = "Run the latency calculator beside the trial"
                raise UserError(f"it was not written within {timeout_s:g} s", path=path, hint=hint) from None
        time.sleep(sleep_time)


def str_2_bool(text: str) -> bool:
    """ "true" in any case is True: the type of a flag that the service passes as text."""
    return text.lower() == "true"


def setup_logging() -> None:
    """INFO and above to standard output, which cloud logging shows as it is."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s", force=True)


def _write(directory: str, name: str, text: str) -> None:
    folder = storage.mounted(directory)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary, name).write_text(text, encoding="utf-8")
        storage.upload(Path(temporary), directory)
