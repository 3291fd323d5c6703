"""Vertex AI's own spelling of what to tune: StudySpec and HyperparameterTuningJob, as JSON or YAML, in both directions.

`load_spec` reads them like its own form, so the config.yaml of `gcloud ai hp-tuning-jobs create` works as it is:

    maxTrialCount: 20
    studySpec:
      metrics: [{metricId: val_loss, goal: MINIMIZE}]
      medianAutomatedStoppingSpec: {}
      parameters:
      - parameterId: optimizer
        categoricalValueSpec: {values: [adam, sgd]}
        conditionalParameterSpecs:
        - parentCategoricalValues: {values: [sgd]}
          parameterSpec: {parameterId: momentum, doubleValueSpec: {minValue: 0.5, maxValue: 0.99}}

Of a job, what says where it runs (trialJobSpec, labels and so on) plays no part here. What Vertex has and a tuning here has not
is an error.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/StudySpec
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.errors import UserError
from trainer.tuning.parameters import Categorical, Discrete, Double, Integer, Parameter

if TYPE_CHECKING:
    from trainer.tuning.spec import TuningSpec

ELSEWHERE = {
    *("name", "display_name", "trial_job_spec", "labels", "encryption_spec", "state", "create_time", "start_time"),
    *("end_time", "update_time", "error", "trials", "satisfies_pzs", "satisfies_pzi"),
}
"""Of a job: where it runs and what became of it."""
REFUSED = {
    "decay_curve_stopping_spec": "median_automated_stopping_spec",
    "convex_automated_stopping_spec": "median_automated_stopping_spec",
    "convex_stop_config": "median_automated_stopping_spec",
    "transfer_learning_config": "",
    "study_stopping_config": "max_trial_count",
}
"""What Vertex has and a tuning here has not -> what there is instead."""
UNSPECIFIED = re.compile(r"[A-Z_]+_UNSPECIFIED")

VALUE_SPECS = {
    "double_value_spec": "double",
    "integer_value_spec": "integer",
    "discrete_value_spec": "discrete",
    "categorical_value_spec": "categorical",
}
PARENT_VALUES = {
    "parent_categorical_values": "categorical",
    "parent_discrete_values": "discrete",
    "parent_int_values": "integer",
}
STEMS = {Double: "double", Integer: "integer", Discrete: "discrete", Categorical: "categorical"}


def snake_case(key: Any) -> str:
    """`maxTrialCount` as `max_trial_count`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key)).lower()


def translate(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a StudySpec or a HyperparameterTuningJob says, in the form of `TuningSpec`; other mappings come back unchanged.

    Raises:
        UserError: something Vertex has and a tuning here has not, several metrics, a parameter in no form of Vertex's.
    """
    fields = {snake_case(key): value for key, value in data.items()}
    if "study_spec" in fields:
        study = fields.pop("study_spec")
        _check_mapping(study, "studySpec")
        outer = {key: value for key, value in fields.items() if key not in ELSEWHERE}
        fields = outer | {snake_case(key): value for key, value in study.items()}
    elif "metrics" not in fields and not isinstance(fields.get("parameters"), list):
        fields = dict(data)  # our own form, with its own spellings in its messages
    for key in list(fields):
        if snake_case(key) in REFUSED and fields[key] is not None:
            instead = REFUSED[snake_case(key)]
            raise UserError("it is not known here", path=key, received=fields[key], hint=f"Use {instead}" if instead else "")
    fields = {key: value for key, value in fields.items() if not (isinstance(value, str) and UNSPECIFIED.fullmatch(value))}
    if "metrics" in fields:
        fields |= _metric(fields.pop("metrics"))
    stopping = [key for key in fields if snake_case(key) == "median_automated_stopping_spec"]
    for key in stopping:
        fields["early_stopping"] = _median(fields.pop(key))
    if "parameters" in fields:
        fields["parameters"] = _parameters(fields["parameters"])
    return fields


def study_spec(spec: TuningSpec) -> dict[str, Any]:
    """The StudySpec of a tuning as plain JSON, camelCase, conditional parameters under their parents.

    Whole numbers are strings, as protobuf writes 64-bit integers.
    """
    algorithms = {"grid": "GRID_SEARCH", "random": "RANDOM_SEARCH"}
    made: dict[str, Any] = {
        "metrics": [{"metricId": spec.metric, "goal": spec.goal.upper()}],
        "parameters": [_write(name, spec.parameters) for name, found in spec.parameters.items() if found.when is None],
        "measurementSelectionType": f"{spec.measurement_selection.upper()}_MEASUREMENT",
    }
    if spec.algorithm in algorithms:  # Vertex's own Bayesian optimization is what it does when none is named
        made["algorithm"] = algorithms[spec.algorithm]
    if spec.early_stopping == "median":
        made["medianAutomatedStoppingSpec"] = {"useElapsedDuration": False}
    return made


def _metric(metrics: Any) -> dict[str, Any]:
    if not isinstance(metrics, list) or len(metrics) != 1 or not isinstance(metrics[0], Mapping):
        raise UserError("one metric can be tuned", path="metrics", received=metrics, expected="[{metricId, goal}]")
    fields = {snake_case(key): value for key, value in metrics[0].items()}
    if unknown := fields.keys() - {"metric_id", "goal"}:
        raise UserError("unknown", path=f"metrics[0].{min(unknown)}", received=min(unknown), expected="metricId or goal")
    if "metric_id" not in fields:
        raise UserError("missing", path="metrics[0].metricId", expected="the metric's name")
    return {"metric": fields["metric_id"]} | ({"goal": fields["goal"]} if "goal" in fields else {})


def _median(options: Any) -> str:
    """The rule's name. Vertex can also compare trials by the seconds they took; here only by step."""
    fields = {snake_case(key): value for key, value in options.items()} if isinstance(options, Mapping) else {"": options}
    if any(key != "use_elapsed_duration" or value not in (False, None) for key, value in fields.items() if key or value):
        path, expected = "medianAutomatedStoppingSpec", "{} or {useElapsedDuration: false}"
        raise UserError("trials are compared at equal steps", path=path, received=options, expected=expected)
    return "median"


def _parameters(entries: Any) -> Any:
    """Vertex's list of parameters, or entries by name that may hold conditional ones, as a flat mapping name -> entry."""
    if isinstance(entries, list):
        pairs = [(None, entry) for entry in entries]
    elif isinstance(entries, Mapping):
        pairs = list(entries.items())
    else:
        return entries
    flat: dict[str, Any] = {}
    for place, (name, entry) in enumerate(pairs):
        for found, fields in _flatten(name, entry, f"parameters[{place}]" if name is None else f"parameters.{name}"):
            if found in flat:
                hint = "Two parents, or two conditions, cannot share a parameter: list all the values in one, or rename it"
                raise UserError("it is there twice", path=f"parameters.{found}", received=found, hint=hint)
            flat[found] = fields
    return flat


def _flatten(name: str | None, entry: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """A parameter in our form, then those that depend on it."""
    if not isinstance(entry, Mapping):
        if name is None:
            _check_mapping(entry, path)
        yield name, entry
        return
    keys = {snake_case(key): key for key in entry}
    fields = dict(entry)
    if name is None:
        if "parameter_id" not in keys:
            raise UserError("missing", path=f"{path}.parameterId", expected="the parameter's name")
        name = fields.pop(keys["parameter_id"])
        path = f"parameters.{name}"
    children = fields.pop(keys["conditional_parameter_specs"], None) if "conditional_parameter_specs" in keys else None
    kinds = [kind for kind in VALUE_SPECS if kind in keys]
    if len(kinds) > 1 or (not kinds and "type" not in keys and "parameter_id" in keys):
        expected = " or ".join(VALUE_SPECS)
        raise UserError(
            "it is of no one kind", path=path, received=[keys[kind] for kind in kinds], expected=f"one of {expected}"
        )
    if kinds:
        values = fields.pop(keys[kinds[0]])
        _check_mapping(values, f"{path}.{keys[kinds[0]]}")
        fields = {"type": VALUE_SPECS[kinds[0]], **values, **fields}
    yield name, {key: value for key, value in fields.items() if not _is_unspecified(value)}
    for place, child in enumerate(children or ()):
        yield from _conditional(name, fields, child, f"{path}.conditionalParameterSpecs[{place}]")


def _conditional(parent: str, fields: Mapping[str, Any], entry: Any, path: str) -> Iterator[tuple[Any, Any]]:
    _check_mapping(entry, path)
    keys = {snake_case(key): key for key in entry}
    if unknown := keys.keys() - PARENT_VALUES.keys() - {"parameter_spec"}:
        expected = f"parameterSpec and one of {', '.join(PARENT_VALUES)}"
        raise UserError("unknown", path=f"{path}.{keys[min(unknown)]}", received=keys[min(unknown)], expected=expected)
    kinds = [kind for kind in PARENT_VALUES if kind in keys]
    if len(kinds) != 1 or "parameter_spec" not in keys:
        expected = f"parameterSpec and one of {', '.join(PARENT_VALUES)}"
        raise UserError("it is not complete", path=path, received=list(entry), expected=expected)
    condition = entry[keys[kinds[0]]]
    values = condition.get("values") if isinstance(condition, Mapping) else condition
    kind = str(fields.get("type", "")).lower()
    if kind != "double" and kind != PARENT_VALUES[kinds[0]]:
        path = f"{path}.{keys[kinds[0]]}"
        raise UserError(f"{parent} is {kind or 'of no type'}", path=path, expected=f"the condition for a parent of type {kind}")
    found = list(_flatten(None, entry[keys["parameter_spec"]], f"{path}.parameterSpec"))
    name, first = found[0]
    yield name, {**first, "when": {parent: values}}
    yield from found[1:]


def _write(name: str, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    parameter = parameters[name]
    made: dict[str, Any] = {"parameterId": name}
    match parameter:
        case Double():
            made["doubleValueSpec"] = {"minValue": float(parameter.min), "maxValue": float(parameter.max)}
        case Integer():
            made["integerValueSpec"] = {"minValue": str(parameter.min), "maxValue": str(parameter.max)}
        case Discrete():
            made["discreteValueSpec"] = {"values": [float(value) for value in parameter.values]}
        case Categorical():
            made["categoricalValueSpec"] = {"values": list(parameter.values)}
    scale = getattr(parameter, "scale", None)
    if scale is not None:
        made["scaleType"] = f"UNIT_{scale.upper()}_SCALE"
    children = [
        {**_write_condition(parameter, child.when.values), "parameterSpec": _write(other, parameters)}
        for other, child in parameters.items()
        if child.when is not None and child.when.parent == name
    ]
    return made | ({"conditionalParameterSpecs": children} if children else {})


def _write_condition(parent: Parameter, values: Sequence[Any]) -> dict[str, Any]:
    match parent:
        case Categorical():
            return {"parentCategoricalValues": {"values": list(values)}}
        case Integer():
            return {"parentIntValues": {"values": [str(int(value)) for value in values]}}
    return {"parentDiscreteValues": {"values": [float(value) for value in values]}}


def _check_mapping(value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise UserError(f"{value!r} is no mapping", path=path, received=value, expected="a mapping")


def _is_unspecified(value: Any) -> bool:
    return isinstance(value, str) and UNSPECIFIED.fullmatch(value) is not None
