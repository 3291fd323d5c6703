import itertools
import sys

import pytest

from nas.errors import UserError
from trainer.tuning import Categorical, Discrete, Double, Integer, TuningSpec, When, load_spec, tune
from trainer.tuning.algorithms import ALGORITHMS, get
from trainer.tuning.conditions import combinations, count, fits

TREE = {
    "optimizer": Categorical(("adam", "sgd", "rmsprop")),
    "momentum": Discrete((0.5, 0.9), when=When("optimizer", ("sgd", "rmsprop"))),
    "nesterov": Categorical(("yes", "no"), when=When("momentum", 0.9)),
    "layers": Integer(1, 3),
    "dropout": Discrete((0.1, 0.2), when=When("layers", (2, 3))),
}
"""adam: 1, sgd and rmsprop: .5, or .9 with nesterov: 3 each; layers: 1, 2 x 2 dropouts. (1 + 3 + 3) * (1 + 2 + 2) = 35."""


def test_trials_are_counted_with_their_conditions():
    assert count(TREE) == 35
    assert count({**TREE, "rate": Double(0.0, 1.0, when=When("optimizer", "adam"))}) is None
    assert count({**TREE, "rate": Double(1.0, 1.0, when=When("optimizer", "adam"))}) == 35


def test_combinations_are_all_of_them_and_fit():
    columns = {name: parameter.grid(5) for name, parameter in TREE.items()}
    found = list(combinations(columns, TREE))
    assert len({tuple(values.items()) for values in found}) == len(found) == 35 == count(TREE, columns)
    assert all(fits(TREE, values) for values in found)
    assert [dict(values) for values in found[:2]] == [
        {"optimizer": "adam", "layers": 1}, {"optimizer": "adam", "layers": 2, "dropout": 0.1},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": "adam", "momentum": 0.5, "layers": 1},  # has what it must not
        {"optimizer": "sgd", "layers": 1},  # lacks what it must have
        {"optimizer": "adam", "nesterov": "yes", "layers": 1},  # its parent is not there
        {"optimizer": "adam", "layers": 4},  # out of range
    ],
)
def test_values_that_are_no_trials_do_not_fit(values):
    assert not fits(TREE, values)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_tries_all_and_nothing_else(name):
    algorithm = get(name, TREE, seed=1)
    seen = []
    for trial_id in itertools.count(1):
        values = algorithm.ask(trial_id)
        if values is None:
            break
        assert fits(TREE, values)
        assert list(values) == [known for known in TREE if known in values]  # in the order of the flags
        seen.append(tuple(values.items()))
        algorithm.tell(trial_id, -len(values) if trial_id % 3 else None)
    assert len(set(seen)) == len(seen) == 35


def test_random_search_gives_every_branch_its_share():
    algorithm = get("random", {**TREE, "rate": Double(0.0, 1.0)}, seed=0)
    found = [algorithm.ask(trial_id) for trial_id in range(1, 401)]
    assert sum("momentum" in values for values in found) / 400 == pytest.approx(2 / 3, abs=0.07)
    assert sum("nesterov" in values for values in found) / 400 == pytest.approx(1 / 3, abs=0.07)


def test_bayesian_search_finds_the_better_branch():
    space = {
        "optimizer": Categorical(("adam", "sgd")),
        "rate": Double(1e-4, 1.0, "log"),
        "momentum": Double(0.0, 0.99, when=When("optimizer", "sgd")),
    }
    algorithm = get("bayesian", space, seed=0)
    late = []
    for trial_id in range(1, 26):
        values = algorithm.ask(trial_id)
        algorithm.tell(trial_id, -1.0 if values["optimizer"] == "adam" else -abs(values["momentum"] - 0.9))
        late.append(values)
    assert sum("momentum" in values for values in late[10:]) >= 12
    assert min(abs(values.get("momentum", 0) - 0.9) for values in late) < 0.02


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"m": Double(0, 1, when=When("optimizer", "sgd")), "optimizer": TREE["optimizer"]},
            "parameters.m.when: 'optimizer' is not known here, expected a parameter before it, and there is none.",
        ),
        (
            {"optimizer": TREE["optimizer"], "m": Double(0, 1, when=When("optimiser", "sgd"))},
            "parameters.m.when: 'optimiser' is not known here, expected a parameter before it: optimizer.",
        ),
        (
            {"rate": Double(0, 1), "m": Double(0, 1, when=When("rate", 0.5))},
            "parameters.m.when: 'rate' is a double, none of whose values is ever met exactly, expected a categorical, discrete "
            "or integer parameter. Make rate discrete, with the values that matter.",
        ),
        (
            {"optimizer": TREE["optimizer"], "m": Double(0, 1, when=When("optimizer", ("sgd", "adm")))},
            "parameters.m.when: optimizer never is 'adm', expected 'adam' or 'sgd' or 'rmsprop'.",
        ),
        (
            {"layers": Integer(1, 3), "m": Double(0, 1, when=When("layers", 4))},
            "parameters.m.when: layers never is 4, expected a whole number from 1 to 3.",
        ),
    ],
)
def test_conditions_that_cannot_hold_are_named(parameters, message):
    with pytest.raises(UserError) as caught:
        TuningSpec(parameters)
    assert str(caught.value) == message


def test_a_condition_is_written_and_read(tmp_path):
    spec = TuningSpec(TREE)
    spec.save(tmp_path / "hpt.yaml")
    assert load_spec(tmp_path / "hpt.yaml") == spec
    short = "{optimizer: {type: categorical, values: [a, b]}, m: {type: integer, min: 1, max: 2, when: {optimizer: a}}}"
    (tmp_path / "hpt.yaml").write_text(f"parameters: {short}")
    assert load_spec(tmp_path / "hpt.yaml").parameters["m"] == Integer(1, 2, when=When("optimizer", ("a",)))


def test_only_flags_of_what_is_there_are_passed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import hypertune, sys\nprint(*sys.argv[1:])\n"
        "hypertune.HyperTune().report_hyperparameter_tuning_metric('val_loss', len(sys.argv))"
    )
    space = {name: TREE[name] for name in ("optimizer", "momentum")}
    result = tune([sys.executable, str(script)], space, algorithm="grid", max_trial_count=9, directory=tmp_path / "run")
    logs = [(tmp_path / "run" / f"trial-{trial.id}" / "output.log").read_text().strip() for trial in result.trials]
    assert logs == [
        "--optimizer=adam",
        "--optimizer=sgd --momentum=0.5", "--optimizer=sgd --momentum=0.9",
        "--optimizer=rmsprop --momentum=0.5", "--optimizer=rmsprop --momentum=0.9",
    ]  # fmt: skip
    again = tune([sys.executable, str(script)], space, algorithm="grid", max_trial_count=9, directory=tmp_path / "run")
    assert again == result


def test_numbers_of_a_condition_may_be_written_as_yaml_reads_them(tmp_path):
    (tmp_path / "hpt.yaml").write_text(
        "parameters:\n  rate: {type: discrete, values: [1e-4, 1e-3]}\n  layers: {type: integer, min: 1, max: 3}\n"
        "  a: {type: double, min: 0, max: 1, when: {rate: 1e-4}}\n"
        "  b: {type: double, min: 0, max: 1, when: {layers: ['2', 3.0]}}\n"
    )
    parameters = load_spec(tmp_path / "hpt.yaml").parameters
    assert parameters["a"].when == When("rate", 1e-4)
    assert parameters["b"].when == When("layers", (2, 3))
