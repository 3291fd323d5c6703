import pytest

from nas.errors import UserError
from trainer.tuning import BOOK, Categorical, Discrete, Double, Integer, TuningSpec, load_spec

OURS = """
parameters:
  learning_rate: {type: double, min: 1e-4, max: 1e-3, scale: log}
  momentum: {type: double, min: 0.9, max: 0.999, scale: reverse_log}
  epochs: {type: discrete, values: [10, 20, 30]}
  steps_per_epoch: {type: integer, min: 100, max: 300}
  loss: {type: categorical, values: [mse, mae]}
metric: val_acc
goal: maximize
max_trial_count: 7
parallel_trial_count: 3
max_failed_trial_count: 2
algorithm: random
measurement_selection: best
"""
VERTEX = """
parameters:
  learning_rate: {type: DOUBLE, minValue: 1e-4, maxValue: "1e-3", scaleType: UNIT_LOG_SCALE}
  momentum: {type: DOUBLE, min_value: 0.9, max_value: 0.999, scale: UNIT_REVERSE_LOG_SCALE}
  epochs: {type: DISCRETE, values: [10.0, 20.0, 30.0], scale: null}
  steps_per_epoch: {type: INTEGER, min_value: "100", max_value: 300.0, scale: UNIT_LINEAR_SCALE}
  loss: {type: CATEGORICAL, values: [mse, mae]}
metric: val_acc
goal: MAXIMIZE
maxTrialCount: 7
parallelTrialCount: 3
max_failed_trial_count: 2
algorithm: RANDOM_SEARCH
measurement_selection_type: BEST_MEASUREMENT
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "hpt.yaml"
        path.write_text(text)
        return path

    return write


def test_a_file_becomes_a_spec(write):
    spec = load_spec(write(OURS))
    assert spec.parameters == {
        "learning_rate": Double(1e-4, 1e-3, "log"),  # PyYAML reads 1e-4 as a string
        "momentum": Double(0.9, 0.999, "reverse_log"),
        "epochs": Discrete((10, 20, 30)),
        "steps_per_epoch": Integer(100, 300),
        "loss": Categorical(("mse", "mae")),
    }
    assert (spec.metric, spec.goal, spec.algorithm, spec.measurement_selection) == ("val_acc", "maximize", "random", "best")
    assert (spec.max_trial_count, spec.parallel_trial_count, spec.max_failed_trial_count) == (7, 3, 2)


def test_vertex_spellings_mean_the_same(write):
    assert load_spec(write(VERTEX)) == load_spec(write(OURS))


def test_what_is_written_is_read_back(tmp_path):
    spec = TuningSpec(BOOK, max_trial_count=12, algorithm="grid")
    spec.save(tmp_path / "hpt.yaml")
    assert load_spec(tmp_path / "hpt.yaml") == spec == load_spec(spec.to_dict())
    assert list(load_spec(str(tmp_path / "hpt.yaml")).parameters) == list(BOOK)  # the order of the flags
    assert TuningSpec(**spec.arguments()) == spec


def test_a_third_may_fail_but_at_least_three():
    assert TuningSpec(BOOK).failures_allowed == 3
    assert TuningSpec(BOOK, max_trial_count=30).failures_allowed == 10
    assert TuningSpec(BOOK, max_failed_trial_count=1).failures_allowed == 1


def parameter(entry):
    return f"parameters: {{epochs: {entry}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters: [", "hpt.yaml: no YAML in line 1, expected the node content, but found '<stream end>'."),
        (
            "- a",
            "hpt.yaml: ['a'] is no mapping, expected a mapping of parameters, metric, goal, max_trial_count, "
            "parallel_trial_count, max_failed_trial_count, algorithm, measurement_selection, early_stopping, timeout_s.",
        ),
        ("metric: val_loss", "hpt.yaml: parameters: missing, expected a value. Add parameters."),
        ("parameters: {}", "hpt.yaml: parameters: nothing to tune, expected at least one parameter by name."),
        (
            parameter("{type: discrete, values: [1]}") + "\nmetrik: val_loss",
            "hpt.yaml: metrik: unknown, expected parameters or metric or goal or max_trial_count or parallel_trial_count or "
            "max_failed_trial_count or algorithm or measurement_selection or early_stopping or timeout_s. Write metric.",
        ),
        (
            parameter("{type: float, min: 1, max: 2}"),
            "hpt.yaml: parameters.epochs.type: 'float' is not a type, expected double or integer or discrete or categorical.",
        ),
        (parameter("{min: 1, max: 2}"), "hpt.yaml: parameters.epochs.type: missing, expected a value. Add type."),
        (parameter("{type: integer, min: 1}"), "hpt.yaml: parameters.epochs.max: missing, expected a value. Add max."),
        (
            parameter("{type: double, min: 2, max: 1}"),
            "hpt.yaml: parameters.epochs.min: 2 is above max, 1, expected min <= max. Swap them.",
        ),
        (
            parameter("{type: double, min: one, max: 2}"),
            "hpt.yaml: parameters.epochs.min: 'one' does not fit, expected a finite number.",
        ),
        (
            parameter("{type: double, min: 1, max: 2, scale: UNIT_CUBIC_SCALE}"),
            "hpt.yaml: parameters.epochs.scale: 'cubic' is not a scale, expected linear, log or reverse_log.",
        ),
        (
            parameter("{type: discrete, values: []}"),
            "hpt.yaml: parameters.epochs.values: the list is empty, expected at least one number.",
        ),
        (
            parameter("{type: categorical, values: [a, b], scale: log}"),
            "hpt.yaml: parameters.epochs.scale: unknown, expected values or when.",
        ),
        (
            parameter("{type: discrete, values: [0, 2], scale: log}"),
            "hpt.yaml: parameters.epochs.values: 0 has no place on a log scale, expected values > 0. "
            'Raise it, or choose scale="linear".',
        ),
        (
            parameter("{type: discrete, values: [1]}") + "\nearly_stopping: decay",
            "hpt.yaml: early_stopping: 'decay' is not known, expected median, or leave it out.",
        ),
        (
            parameter("{type: discrete, values: [1]}") + "\ntimeout_s: -3",
            "hpt.yaml: timeout_s: -3 does not fit, expected seconds, more than 0.",
        ),
        (
            "parameters: {learning rate: {type: double, min: 0, max: 1}}",
            "hpt.yaml: parameters: 'learning rate' cannot be a flag, expected letters, digits and _ . -, a letter first.",
        ),
        (
            parameter("{type: discrete, values: [1]}") + "\nalgorithm: annealing",
            "hpt.yaml: algorithm: 'annealing' is not known, expected bayesian or random or grid.",
        ),
        (
            parameter("{type: discrete, values: [1]}") + "\ngoal: smaller",
            "hpt.yaml: goal: 'smaller' is not known, expected minimize or maximize.",
        ),
        (
            parameter("{type: discrete, values: [1]}") + "\nmax_trial_count: 0",
            "hpt.yaml: max_trial_count: 0 does not fit, expected a whole number of at least 1.",
        ),
        (
            parameter("{type: discrete, values: [1]}") + "\nparallel_trial_count: many",
            "hpt.yaml: parallel_trial_count: 'many' does not fit, expected a whole number of at least 1.",
        ),
        (
            "parameters: {epochs: {type: discrete, values: [1]}, epochs: {type: discrete, values: [2]}}",
            "hpt.yaml: no YAML in line 1, 'epochs' is there twice.",
        ),
    ],
)
def test_mistakes_are_named_by_their_place(write, text, message):
    with pytest.raises(UserError) as caught:
        load_spec(write(text))
    assert str(caught.value) == message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"^absent.yaml: it cannot be read, No such file or directory, expected a YAML file.$"):
        load_spec(tmp_path / "absent.yaml")


def test_no_python_object_is_made_from_a_file(write):
    with pytest.raises(UserError, match="no YAML in line 1, could not determine a constructor"):
        load_spec(write("!!python/object/apply:os.system ['true']"))
