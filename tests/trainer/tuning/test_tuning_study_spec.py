import json

import pytest

from nas.errors import UserError
from trainer.tuning import Categorical, Discrete, Double, Integer, TuningSpec, When, load_spec
from trainer.tuning.study_spec import study_spec

SPEC = TuningSpec(
    {
        "rate": Double(1e-4, 1.0, "log"),
        "optimizer": Categorical(("adam", "sgd")),
        "momentum": Double(0.5, 0.99, "reverse_log", when=When("optimizer", "sgd")),
        "layers": Integer(1, 3),
        "units": Discrete((16, 32, 64), "log", when=When("layers", (2, 3))),
        "cell": Categorical(("a", "b"), when=When("units", 64)),
    },
    goal="maximize",
    max_trial_count=20,
    algorithm="random",
    measurement_selection="best",
    early_stopping="median",
)
JOB = {
    "displayName": "tuning",
    "maxTrialCount": 20,
    "trialJobSpec": {"workerPoolSpecs": []},
    "studySpec": {
        "metrics": [{"metricId": "val_loss", "goal": "MAXIMIZE"}],
        "algorithm": "RANDOM_SEARCH",
        "measurementSelectionType": "BEST_MEASUREMENT",
        "medianAutomatedStoppingSpec": {"useElapsedDuration": False},
        "parameters": [
            {"parameterId": "rate", "doubleValueSpec": {"minValue": 1e-4, "maxValue": 1.0}, "scaleType": "UNIT_LOG_SCALE"},
            {
                "parameterId": "optimizer",
                "categoricalValueSpec": {"values": ["adam", "sgd"]},
                "conditionalParameterSpecs": [
                    {
                        "parentCategoricalValues": {"values": ["sgd"]},
                        "parameterSpec": {
                            "parameterId": "momentum",
                            "doubleValueSpec": {"minValue": 0.5, "maxValue": 0.99},
                            "scaleType": "UNIT_REVERSE_LOG_SCALE",
                        },
                    }
                ],
            },
            {
                "parameterId": "layers",
                "integerValueSpec": {"minValue": "1", "maxValue": "3"},
                "scaleType": "UNIT_LINEAR_SCALE",
                "conditionalParameterSpecs": [
                    {
                        "parentIntValues": {"values": ["2", "3"]},
                        "parameterSpec": {
                            "parameterId": "units",
                            "discreteValueSpec": {"values": [16.0, 32.0, 64.0]},
                            "scaleType": "UNIT_LOG_SCALE",
                            "conditionalParameterSpecs": [
                                {
                                    "parentDiscreteValues": {"values": [64.0]},
                                    "parameterSpec": {"parameterId": "cell", "categoricalValueSpec": {"values": ["a", "b"]}},
                                }
                            ],
                        },
                    }
                ],
            },
        ],
    },
}


def test_a_vertex_job_is_read():
    assert load_spec(JOB) == SPEC
    assert load_spec(JOB["studySpec"] | {"maxTrialCount": 20}) == SPEC


def test_our_spec_is_written_as_vertex_spells_it():
    assert study_spec(SPEC) == JOB["studySpec"]


def test_the_sdk_reads_what_is_written():
    study = pytest.importorskip("google.cloud.aiplatform_v1.types.study", reason="needs google-cloud-aiplatform")
    read = study.StudySpec.from_json(json.dumps(study_spec(SPEC)))
    assert [parameter.parameter_id for parameter in read.parameters] == ["rate", "optimizer", "layers"]
    inner = read.parameters[2].conditional_parameter_specs[0]
    assert list(inner.parent_int_values.values) == [2, 3]
    assert inner.parameter_spec.scale_type == study.StudySpec.ParameterSpec.ScaleType.UNIT_LOG_SCALE
    written = study.StudySpec.to_json(read, use_integers_for_enums=False, including_default_value_fields=False)
    assert load_spec(json.loads(written) | {"maxTrialCount": 20}) == SPEC


def test_conditions_may_stand_in_our_form_too():
    child = {"parameterId": "momentum", "doubleValueSpec": {"minValue": 0.5, "maxValue": 0.99}}
    conditional = [{"parentCategoricalValues": {"values": ["sgd"]}, "parameterSpec": child}]
    entry = {"type": "categorical", "values": ["adam", "sgd"], "conditionalParameterSpecs": conditional}
    assert load_spec({"parameters": {"optimizer": entry}}).parameters == {
        "optimizer": Categorical(("adam", "sgd")),
        "momentum": Double(0.5, 0.99, when=When("optimizer", "sgd")),
    }


def changed(**changes):
    return {"studySpec": JOB["studySpec"] | changes}


def with_parameter(**entry):
    return changed(parameters=[{"parameterId": "rate", **entry}])


CHILD = {"parameterId": "child", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
RANGE = {"minValue": 0, "maxValue": 1}


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (
            changed(decayCurveStoppingSpec={"useElapsedDuration": True}),
            "decay_curve_stopping_spec: it is not known here. Use median_automated_stopping_spec.",
        ),
        (
            changed(medianAutomatedStoppingSpec={"useElapsedDuration": True}),
            "medianAutomatedStoppingSpec: trials are compared at equal steps, expected {} or {useElapsedDuration: false}.",
        ),
        (changed(metrics=[]), "metrics: one metric can be tuned, expected [{metricId, goal}]."),
        (
            with_parameter(doubleValueSpec=RANGE, scaleType="UNIT_CUBIC_SCALE"),
            "parameters.rate.scale: 'cubic' is not a scale, expected linear, log or reverse_log.",
        ),
        (
            with_parameter(doubleValueSpec={"minValue": 2, "maxValue": 1}),
            "parameters.rate.min: 2 is above max, 1, expected min <= max. Swap them.",
        ),
        (
            with_parameter(scaleType="UNIT_LOG_SCALE"),
            "parameters.rate: it is of no one kind, expected one of double_value_spec or integer_value_spec or "
            "discrete_value_spec or categorical_value_spec.",
        ),
        (
            with_parameter(
                doubleValueSpec=RANGE,
                conditionalParameterSpecs=[{"parentDiscreteValues": {"values": [0.5]}, "parameterSpec": CHILD}],
            ),
            "parameters.child.when: 'rate' is a double, none of whose values is ever met exactly, expected a categorical, "
            "discrete or integer parameter. Make rate discrete, with the values that matter.",
        ),
        (
            with_parameter(
                integerValueSpec=RANGE,
                conditionalParameterSpecs=[{"parentCategoricalValues": {"values": ["1"]}, "parameterSpec": CHILD}],
            ),
            "parameters.rate.conditionalParameterSpecs[0].parentCategoricalValues: rate is integer, expected the condition for "
            "a parent of type integer.",
        ),
        (
            with_parameter(
                integerValueSpec=RANGE,
                conditionalParameterSpecs=[
                    {"parentIntValues": {"values": [0]}, "parameterSpec": CHILD},
                    {"parentIntValues": {"values": [1]}, "parameterSpec": CHILD},
                ],
            ),
            "parameters.child: it is there twice. Two parents, or two conditions, cannot share a parameter: list all the "
            "values in one, or rename it.",
        ),
    ],
)
def test_what_a_tuning_here_cannot_do_is_named(job, message):
    with pytest.raises(UserError) as caught:
        load_spec(job)
    assert str(caught.value) == message
