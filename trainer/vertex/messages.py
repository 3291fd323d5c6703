"""Strict reading of the API's JSON messages, field by field, from tables that say what each message may hold.

Google's own parser belongs to a client of 150 MB that running a job on this machine does not need, and it answers a misspelt
field with the name of a C++ parser. Here the message is a clear error with the path of the field:

    read_message({"metric_id": 3}, METRIC, "nasJobSpec.multiTrialAlgorithmSpec.metric")
    # nasJobSpec.multiTrialAlgorithmSpec.metric.metricId: 3 is a number, expected a text.

As in the protocol-buffer mapping, camelCase and snake_case are read and camelCase is written, null is an absent field, a whole
number may come as 3, 3.0 or "3", an enum as its name or number.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/NasJobSpec, fields of google-cloud-aiplatform 2.7.0;
https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from nas.errors import UserError


@dataclasses.dataclass(frozen=True)
class Many:
    """A repeated field."""

    of: Any


def read_message(data: Any, table: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The message in camelCase, without absent fields.

    Args:
        data: what JSON gave.
        table: field in camelCase -> how it is read: a function (value, path) -> value, a table, or `Many` of these.
        path: where the message stands, for errors.

    Raises:
        UserError: no such field, given twice, or of another type.
    """
    if not isinstance(data, Mapping):
        raise wrong_type(data, path, "an object")
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = _camel(str(key))
        if name not in table:
            raise _unknown(f"{path}.{key}" if path else str(key), name, table)
        if name in found:
            raise UserError("given twice, in two spellings", path=f"{path}.{name}", received=value, hint="Give it once")
        if value is not None:
            found[name] = _read(value, table[name], f"{path}.{name}" if path else name)
    return found


def _read(value: Any, kind: Any, path: str) -> Any:
    if isinstance(kind, Many):
        if not isinstance(value, list):
            raise wrong_type(value, path, "a list")
        return [_read(one, kind.of, f"{path}[{i}]") for i, one in enumerate(value)]
    return read_message(value, kind, path) if isinstance(kind, Mapping) else kind(value, path)


def text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, path, "a text")
    return value


def flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(value, path, "true or false")
    return value


def whole(value: Any, path: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value - value or value != int(value):
        raise wrong_type(value, path, "a whole number")
    return int(value)


def duration(value: Any, path: str) -> str:
    """Seconds as the API writes them: "3600s", "1.5s"."""
    if not isinstance(value, str) or not re.fullmatch(r"\d+(\.\d+)?s", value):
        raise wrong_type(value, path, 'seconds such as "3600s"')
    return value


def one_of(*names: str) -> Callable[[Any, str], str]:
    """An enum: its names in the order of their numbers, from 0."""

    def read(value: Any, path: str) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        if value not in names:
            raise UserError(f"{value!r} is not one of its values", path=path, received=value, expected=" or ".join(names[1:]))
        return str(value)

    return read


def wrong_type(value: Any, path: str, expected: str) -> UserError:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", type(None): "null"}
    kind = kinds.get(type(value), "an object")
    shown = "" if isinstance(value, list | Mapping) or value is None else f"{value!r} is "
    return UserError(f"{shown}{kind}", path=path or "the job", received=value, expected=expected)


def _unknown(path: str, name: str, table: Mapping[str, Any]) -> UserError:
    close = difflib.get_close_matches(name, table, n=1)
    hint = f"Perhaps {close[0]} is meant" if close else "Leave it out"
    return UserError("no such field", path=path, received=name, expected=", ".join(table), hint=hint)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


METRIC = {"metricId": text, "goal": one_of("GOAL_TYPE_UNSPECIFIED", "MAXIMIZE", "MINIMIZE")}
ENV = Many({"name": text, "value": text})
CONTAINER = {"imageUri": text, "command": Many(text), "args": Many(text), "env": ENV}
PYTHON_PACKAGE = {
    "executorImageUri": text,
    "packageUris": Many(text),
    "pythonModule": text,
    "args": Many(text),
    "env": ENV,
}
MACHINE = {
    "machineType": text,
    "acceleratorType": text,  # a list that grows with each generation of hardware
    "acceleratorCount": whole,
    "gpuPartitionSize": text,
    "tpuTopology": text,
    "reservationAffinity": {
        "reservationAffinityType": one_of("TYPE_UNSPECIFIED", "NO_RESERVATION", "ANY_RESERVATION", "SPECIFIC_RESERVATION"),
        "key": text,
        "values": Many(text),
    },
}
WORKER_POOL = {
    "containerSpec": CONTAINER,
    "pythonPackageSpec": PYTHON_PACKAGE,
    "machineSpec": MACHINE,
    "replicaCount": whole,
    "nfsMounts": Many({"server": text, "path": text, "mountPoint": text}),
    "lustreMounts": Many({"instanceIp": text, "volumeHandle": text, "filesystem": text, "mountPoint": text}),
    "diskSpec": {"bootDiskType": text, "bootDiskSizeGb": whole},
}
SCHEDULING = {
    "timeout": duration,
    "restartJobOnWorkerRestart": flag,
    "strategy": one_of("STRATEGY_UNSPECIFIED", "ON_DEMAND", "LOW_COST", "STANDARD", "SPOT", "FLEX_START"),
    "disableRetries": flag,
    "maxWaitDuration": duration,
}
CUSTOM_JOB = {
    "persistentResourceId": text,
    "workerPoolSpecs": Many(WORKER_POOL),
    "scheduling": SCHEDULING,
    "serviceAccount": text,
    "network": text,
    "reservedIpRanges": Many(text),
    "pscInterfaceConfig": {
        "networkAttachment": text,
        "dnsPeeringConfigs": Many({"domain": text, "targetProject": text, "targetNetwork": text}),
    },
    "baseOutputDirectory": {"outputUriPrefix": text},
    "protectedArtifactLocationId": text,
    "tensorboard": text,
    "enableWebAccess": flag,
    "enableDashboardAccess": flag,
    "experiment": text,
    "experimentRun": text,
    "models": Many(text),
}
SEARCH_TRIALS = {
    "searchTrialJobSpec": CUSTOM_JOB,
    "maxTrialCount": whole,
    "maxParallelTrialCount": whole,
    "maxFailedTrialCount": whole,
}
TRAIN_TRIALS = {"trainTrialJobSpec": CUSTOM_JOB, "maxParallelTrialCount": whole, "frequency": whole}
MULTI_TRIAL = {
    "multiTrialAlgorithm": one_of("MULTI_TRIAL_ALGORITHM_UNSPECIFIED", "REINFORCEMENT_LEARNING", "GRID_SEARCH"),
    "metric": METRIC,
    "searchTrialSpec": SEARCH_TRIALS,
    "trainTrialSpec": TRAIN_TRIALS,
}
NAS_JOB_SPEC = {"searchSpaceSpec": text, "multiTrialAlgorithmSpec": MULTI_TRIAL, "resumeNasJobId": text}
