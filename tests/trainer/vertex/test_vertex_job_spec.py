import json

import pytest
from nas_trainers import custom_job, job_message

from nas.errors import UserError
from trainer.vertex import messages
from trainer.vertex.job_spec import NasJobSpec
from trainer.vertex.messages import Many, read_message

SEARCH = "multiTrialAlgorithmSpec.searchTrialSpec"


def change(path, value, message=None):
    """The message with the field at a dotted path set, or left out for None."""
    message = message or job_message(["python", "a.py"], "--epochs=1", trials=9, parallel=3, train=(2, 4))
    *parents, last = path.split(".")
    part = message
    for name in parents:
        part = part[int(name)] if isinstance(part, list) else part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return message


def test_a_spec_is_read_and_written_in_either_spelling():
    message = job_message(
        ["python", "a.py"], "--epochs=1", trials=9, parallel=3, failed=2, train=(2, 4), scheduling={"timeout": "1.5s"}
    )
    spec = NasJobSpec.from_json(json.dumps({"displayName": "first", "nasJobSpec": message}))
    assert (spec.display_name, spec.algorithm, spec.metric_id, spec.goal) == ("first", "GRID_SEARCH", "accuracy", "maximize")
    assert (spec.search.max_trial_count, spec.search.max_parallel, spec.search.max_failed) == (9, 3, 2)
    assert (spec.train.top, spec.train.frequency) == (2, 4)
    job = spec.search.job
    assert (job.command, job.args, job.timeout_s, job.machines) == (("python", "a.py"), ("--epochs=1",), 1.5, 1)
    assert spec.to_json() == message
    assert NasJobSpec.from_json(_snake(message)).to_json() == message


def test_enums_and_whole_numbers_come_in_several_forms():
    message = change(f"{SEARCH}.maxTrialCount", "12")
    change("multiTrialAlgorithmSpec.metric.goal", 2, message)
    change("multiTrialAlgorithmSpec.multiTrialAlgorithm", 0, message)
    change(f"{SEARCH}.maxParallelTrialCount", 3.0, message)
    spec = NasJobSpec.from_json(message)
    assert (spec.goal, spec.search.max_trial_count, spec.algorithm) == ("minimize", 12, "REINFORCEMENT_LEARNING")
    assert spec.search.max_failed == 4  # a third, where the job says 0


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("serchSpaceSpec", "{}", "serchSpaceSpec", "no such field.*Perhaps searchSpaceSpec is meant"),
        (f"{SEARCH}.maxTrialCount", None, f"{SEARCH}.maxTrialCount", "it is missing"),
        (f"{SEARCH}.maxTrialCount", 0, f"{SEARCH}.maxTrialCount", "0 does not fit"),
        (f"{SEARCH}.maxTrialCount", "many", f"{SEARCH}.maxTrialCount", "'many' is a text, expected a whole number"),
        (f"{SEARCH}.maxTrialCount", 1.5, f"{SEARCH}.maxTrialCount", "expected a whole number"),
        (f"{SEARCH}.maxTrialCount", float("nan"), f"{SEARCH}.maxTrialCount", "expected a whole number"),
        (f"{SEARCH}.maxFailedTrialCount", -1, f"{SEARCH}.maxFailedTrialCount", "-1 does not fit"),
        (f"{SEARCH}.maxParallelTrialCount", True, f"{SEARCH}.maxParallelTrialCount", "expected a whole number"),
        ("multiTrialAlgorithmSpec.trainTrialSpec.frequency", 0, "frequency", "0 does not fit"),
        ("multiTrialAlgorithmSpec.metric.goal", "MOST", "metric.goal", "expected MAXIMIZE or MINIMIZE"),
        ("multiTrialAlgorithmSpec.metric.metricId", "two words", "metric.metricId", "has white space"),
        ("multiTrialAlgorithmSpec.metric", None, "metric.metricId", "it is missing"),
        ("multiTrialAlgorithmSpec", None, "multiTrialAlgorithmSpec", "it is missing"),
        ("searchSpaceSpec", "", "searchSpaceSpec", "it is missing"),
        ("searchSpaceSpec", {"_type": "x"}, "searchSpaceSpec", "an object, expected a text"),
        (f"{SEARCH}.searchTrialJobSpec", {"workerPoolSpecs": []}, "workerPoolSpecs[0].containerSpec", "it is missing"),
        (f"{SEARCH}.searchTrialJobSpec.scheduling", {"timeout": "1h"}, "scheduling.timeout", 'seconds such as "3600s"'),
        (f"{SEARCH}.searchTrialJobSpec.workerPoolSpecs.0.containerSpec.args", "--a=1", "containerSpec.args", "expected a list"),
        (f"{SEARCH}.searchTrialJobSpec.workerPoolSpecs.0.containerSpec.args", [1], "containerSpec.args[0]", "expected a text"),
        (
            f"{SEARCH}.searchTrialJobSpec.workerPoolSpecs.0.containerSpec.env",
            [{"name": "CLOUD_ML_TRIAL_ID", "value": "1"}],
            "env[0].name",
            "is set for each trial",
        ),
        ("resumeNasJobId", "7", "searchSpaceSpec", "comes from the job that is resumed"),
    ],
)  # fmt: skip
def test_mistakes_name_their_field(path, value, where, says):
    with pytest.raises(UserError, match=says) as caught:
        NasJobSpec.from_json(change(path, value))
    assert caught.value.path.endswith(where)


@pytest.mark.parametrize(
    ("text", "says"), [("{", "it is no JSON"), ("[]", "the job: a list"), ("[" * 100_000, "it is no JSON")]
)
def test_what_is_no_job_is_said_so(text, says):
    with pytest.raises(UserError, match=says):
        NasJobSpec.from_json(text)


def test_a_field_in_two_spellings_is_given_twice():
    with pytest.raises(UserError, match="given twice"):
        NasJobSpec.from_json(change("search_space_spec", "{}"))


def test_a_resumed_job_inherits_what_it_does_not_say():
    earlier = NasJobSpec.from_json(job_message(["python", "a.py"], trials=9, train=(2, 4)))
    bare = NasJobSpec.from_json({"resumeNasJobId": "7"})
    with pytest.raises(UserError, match="it continues job 7"):
        _ = bare.search
    assert bare.inherit(earlier).message == earlier.message
    again = {"searchTrialJobSpec": custom_job("--epochs=2", command=["python"]), "maxTrialCount": 3, "maxParallelTrialCount": 1}
    other = {
        "resumeNasJobId": "7",
        "searchSpaceSpec": None,
        "multiTrialAlgorithmSpec": {"metric": None, "searchTrialSpec": again},
    }
    whole = NasJobSpec.from_json(other).inherit(earlier)
    assert (whole.search.max_trial_count, whole.metric_id, whole.train.top) == (3, "accuracy", 2)
    assert whole.search_space_spec == earlier.search_space_spec
    with pytest.raises(UserError, match=r"multiTrialAlgorithmSpec\.metric: it comes from the job"):
        NasJobSpec.from_json({"resumeNasJobId": "7", "multiTrialAlgorithmSpec": {"metric": {"metricId": "a"}}})


def test_the_tables_of_fields_are_those_of_googles_client():
    types = pytest.importorskip("google.cloud.aiplatform_v1.types")

    def compare(table, message):
        fields = {_camel(name): field for name, field in message.meta.fields.items()}
        assert set(table) == set(fields), message
        for name, kind in table.items():
            assert isinstance(kind, Many) == bool(fields[name].repeated), name
            kind = kind.of if isinstance(kind, Many) else kind
            if isinstance(kind, dict):
                compare(kind, fields[name].message)

    compare(messages.NAS_JOB_SPEC, types.NasJobSpec)


def test_a_message_is_read_field_by_field():
    table = {"oneName": messages.text, "others": Many({"flag": messages.flag})}
    assert read_message({"one_name": "a", "others": [{"flag": True}, {"flag": None}]}, table, "") == {
        "oneName": "a",
        "others": [{"flag": True}, {}],
    }
    with pytest.raises(UserError, match=r"others\[1\]\.flag: 1 is a number, expected true or false"):
        read_message({"others": [{}, {"flag": 1}]}, table, "")


def _camel(name):
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.title() for word in rest)


def _snake(value):
    if isinstance(value, list):
        return [_snake(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): _snake(one) for key, one in value.items()}
