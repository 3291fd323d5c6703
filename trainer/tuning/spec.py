"""What to tune, in one value or one YAML file: parameters, metric, goal, how many trials.

    parameters:
      learning_rate: {type: double, min: 1e-4, max: 1e-3, scale: log}
      epochs: {type: discrete, values: [10, 20, 30]}
      steps_per_epoch: {type: integer, min: 100, max: 300}
      loss: {type: categorical, values: [mse, mae]}
    metric: val_loss
    goal: minimize
    max_trial_count: 5
    parallel_trial_count: 3
    early_stopping: median

A parameter may depend on another, before it: `momentum: {type: double, min: 0.5, max: 0.99, when: {optimizer: sgd}}`.

Vertex AI's spellings are understood too: `DOUBLE`, `minValue` or `min_value`, `UNIT_LOG_SCALE`, `MINIMIZE`, `RANDOM_SEARCH`; so
are its own StudySpec and HyperparameterTuningJob (`study_spec`). What is unknown is an error, never dropped.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from nas.errors import UserError
from trainer.tuning.algorithms import ALGORITHMS
from trainer.tuning.conditions import check_conditions
from trainer.tuning.parameters import Categorical, Discrete, Double, Integer, Parameter, When
from trainer.tuning.study_spec import snake_case, translate

Goal = Literal["minimize", "maximize"]
Selection = Literal["last", "best"]
EarlyStopping = Literal["median"]

KINDS: Mapping[str, type[Double | Integer | Discrete | Categorical]] = {
    "double": Double,
    "integer": Integer,
    "discrete": Discrete,
    "categorical": Categorical,
}
SPELLINGS = {
    "min_value": "min",
    "max_value": "max",
    "scale_type": "scale",
    "measurement_selection_type": "measurement_selection",
}


@dataclasses.dataclass(frozen=True)
class TuningSpec:
    """What to tune and how far.

    Args:
        parameters: flag name -> parameter.
        metric: the tag under which trials report.
        goal: "minimize" or "maximize".
        max_trial_count: trials in all.
        parallel_trial_count: trials at a time.
        max_failed_trial_count: tuning ends once so many trials of one run failed, ran out of time or reported nothing;
            None or 0: a third of max_trial_count, but at least 3.
        algorithm: "bayesian", "random" or "grid".
        measurement_selection: a trial's result is its "last" report, or its "best" one.
        early_stopping: "median" ends trials that are doing worse than most did at their step, see `stopping`; None: none.
        timeout_s: how long a trial may run, in seconds; None: as long as it likes.

    Raises:
        UserError: a setting out of its range, with its name.
    """

    parameters: Mapping[str, Parameter]
    metric: str = "val_loss"
    goal: Goal = "minimize"
    max_trial_count: int = 5
    parallel_trial_count: int = 1
    max_failed_trial_count: int | None = None
    algorithm: str = "bayesian"
    measurement_selection: Selection = "last"
    early_stopping: EarlyStopping | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.parameters, Mapping) or not self.parameters:
            expected = "at least one parameter by name"
            raise UserError("nothing to tune", path="parameters", received=self.parameters, expected=expected)
        for name, parameter in self.parameters.items():
            _check_name(name)
            if not isinstance(parameter, Parameter):
                problem, expected = f"{parameter!r} is no parameter", "Double, Integer, Discrete or Categorical"
                raise UserError(problem, path=f"parameters.{name}", received=parameter, expected=expected)
        check_conditions(self.parameters)
        if not isinstance(self.metric, str) or not self.metric:
            problem = f"{self.metric!r} does not fit"
            raise UserError(problem, path="metric", received=self.metric, expected="the metric's name")
        options = {"goal": get_args(Goal), "algorithm": ALGORITHMS, "measurement_selection": get_args(Selection)}
        for name, accepted in options.items():
            value = getattr(self, name)
            if value not in accepted:
                raise UserError(f"{value!r} is not known", path=name, received=value, expected=" or ".join(accepted))
        if self.early_stopping is not None and self.early_stopping not in get_args(EarlyStopping):
            problem, path = f"{self.early_stopping!r} is not known", "early_stopping"
            raise UserError(problem, path=path, received=self.early_stopping, expected="median, or leave it out")
        if self.timeout_s is not None and not (_is_positive(self.timeout_s) and self.timeout_s <= threading.TIMEOUT_MAX):
            problem, path = f"{self.timeout_s!r} does not fit", "timeout_s"
            raise UserError(problem, path=path, received=self.timeout_s, expected="seconds, more than 0")
        _check_count("max_trial_count", self.max_trial_count, 1)
        _check_count("parallel_trial_count", self.parallel_trial_count, 1)
        _check_count("max_failed_trial_count", self.max_failed_trial_count or 0, 0)

    @property
    def failures_allowed(self) -> int:
        """How many trials of one run may fail before tuning ends."""
        return self.max_failed_trial_count or max(3, self.max_trial_count // 3)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON and YAML, which `load_spec` takes."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields | {"parameters": {name: _write_parameter(parameter) for name, parameter in self.parameters.items()}}

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `tune`: `tune(command, directory=..., **spec.arguments())`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def save(self, path: str | Path) -> None:
        """Writes the YAML file."""
        import yaml

        Path(path).write_text(yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None), encoding="utf-8")


def load_spec(source: str | Path | Mapping[str, Any]) -> TuningSpec:
    """Reads a spec from a YAML (or JSON) file, or from a mapping of the same form.

    Raises:
        UserError: the file cannot be read, or what in it does not fit, by its place: `hpt.yaml: parameters.epochs.values`.
    """
    where = "" if isinstance(source, Mapping) else f"{Path(source).name}: "
    try:
        return _read_spec(source if isinstance(source, Mapping) else _read_yaml(Path(source)))
    except UserError as error:
        raise _moved(error, where + error.path) from None


def _read_yaml(path: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain data only, and no key twice, where PyYAML would silently take the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            for key, _ in node.value:
                if keys.count(key.value) > 1:
                    problem = f"{key.value!r} is there twice"
                    raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except OSError as error:
        raise UserError(f"it cannot be read, {error.strerror}", received=str(path), expected="a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise UserError(f"no YAML{line}, {getattr(error, 'problem', error)}", received=str(path)) from None


def _read_spec(data: Any) -> TuningSpec:
    known = [field.name for field in dataclasses.fields(TuningSpec)]
    if isinstance(data, Mapping):
        data = translate(data)
    settings = _read_fields(data, "", known, required=("parameters",))
    if isinstance(settings["parameters"], Mapping):
        parameters = {name: _read_parameter(name, entry) for name, entry in settings["parameters"].items()}
        settings["parameters"] = {name: _with_numbers(parameter, parameters) for name, parameter in parameters.items()}
    for name in ("goal", "algorithm", "measurement_selection"):
        if isinstance(settings.get(name), str):
            settings[name] = settings[name].lower().removesuffix("_search").removesuffix("_measurement")
    return TuningSpec(**settings)


def _read_parameter(name: Any, entry: Any) -> Parameter:
    path = f"parameters.{name}"
    fields = _read_fields(entry, path, ("type", "min", "max", "values", "scale", "when"), required=("type",))
    kind = KINDS.get(str(fields.pop("type")).lower())
    if kind is None:
        received = entry["type"]
        raise UserError(f"{received!r} is not a type", path=f"{path}.type", received=received, expected=" or ".join(KINDS))
    accepted = [field.name for field in dataclasses.fields(kind)]
    required = [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
    fields = _read_fields(fields, path, accepted, required)
    if isinstance(fields.get("scale"), str):
        fields["scale"] = fields["scale"].lower().removeprefix("unit_").removesuffix("_scale")
    for end in {"min", "max"} & fields.keys():
        fields[end] = _read_number(fields[end], whole=kind is Integer)
    if kind is Discrete and isinstance(fields["values"], list):
        fields["values"] = [_read_number(value) for value in fields["values"]]
    if "when" in fields:
        fields["when"] = _read_condition(f"{path}.when", fields["when"])
    try:
        return kind(**fields)
    except UserError as error:
        raise _moved(error, f"{path}.{error.path.rpartition('.')[2]}") from None


def _read_condition(path: str, entry: Any) -> When:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise UserError(f"{entry!r} is no condition", path=path, received=entry, expected="{PARENT: VALUES}, one parent")
    parent, values = next(iter(entry.items()))
    listed = values if isinstance(values, list | tuple) else [values]
    if not all(isinstance(value, int | float | str) for value in listed):
        raise UserError(f"{values!r} does not fit", path=path, received=values, expected="a value or a list of values")
    try:
        return When(str(parent), listed)
    except UserError as error:
        raise _moved(error, path) from None


def _with_numbers(parameter: Parameter, parameters: Mapping[str, Parameter]) -> Parameter:
    """The parameter with a condition's values as numbers, where its parent has numbers."""
    parent = parameters.get(parameter.when.parent) if parameter.when else None
    if parameter.when is None or not isinstance(parent, Integer | Discrete):
        return parameter
    values = [_read_number(value, whole=isinstance(parent, Integer)) for value in parameter.when.values]
    return dataclasses.replace(parameter, when=When(parameter.when.parent, values))


def _write_parameter(parameter: Parameter) -> dict[str, Any]:
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(parameter).items()}
    if parameter.when is None:
        del values["when"]
    else:
        values["when"] = {parameter.when.parent: list(parameter.when.values)}
    return {"type": type(parameter).__name__.lower(), **{key: value for key, value in values.items() if value is not None}}


def _read_fields(data: Any, path: str, accepted, required=()) -> dict[str, Any]:
    """A mapping with its keys in our spelling and what is null left out; unknown and missing keys are errors."""
    if not isinstance(data, Mapping):
        raise UserError(f"{data!r} is no mapping", path=path, received=data, expected=f"a mapping of {', '.join(accepted)}")
    fields = {}
    for key, value in data.items():
        name = snake_case(key)
        name = SPELLINGS.get(name, name)
        if name not in accepted:
            near = difflib.get_close_matches(name, accepted, 1)
            hint = f"Write {near[0]}" if near else ""
            raise UserError("unknown", path=_join(path, key), received=key, expected=" or ".join(accepted), hint=hint)
        if value is not None:
            fields[name] = value
    for name in required:
        if name not in fields:
            raise UserError("missing", path=_join(path, name), expected="a value", hint=f"Add {name}")
    return fields


def _read_number(value: Any, whole: bool = False) -> Any:
    """A number, also where YAML makes a string of it (1e-4), protobuf's JSON does ("100"), or an integer is a double."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return int(value) if whole and isinstance(value, float) and value.is_integer() else value


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w.-]*", name):
        expected = "letters, digits and _ . -, a letter first"
        raise UserError(f"{name!r} cannot be a flag", path="parameters", received=name, expected=expected)


def _check_count(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{value!r} does not fit", path=name, received=value, expected=f"a whole number of at least {least}")


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _join(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _moved(error: UserError, path: str) -> UserError:
    return UserError(
        error.problem, path=path.removesuffix(": "), received=error.received, expected=error.expected, hint=error.hint
    )
