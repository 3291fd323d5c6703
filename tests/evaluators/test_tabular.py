import gzip
import json
import time
from pathlib import Path

import pyglove as pg
import pytest

import controllers
import nas
from evaluators.tabular import Tabular
from nas.errors import DataError, Infeasible

BENCH = Path(__file__).resolve().parents[2] / "../shared/bench"
published = pytest.mark.skipif(not BENCH.exists(), reason="the published tables are not on this machine")

SPACE = nas.as_space(pg.Dict(depth=pg.oneof([1, 2]), width=pg.oneof([8, 16, 32])), name="six")


def table(tmp_path, text, name="table.csv"):
    file = tmp_path / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


def value(evaluator, point, metric="acc"):
    return evaluator.evaluate(SPACE.architecture(point))[metric].value


# -- how rows name architectures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_by_index_in_the_space(tmp_path, name):
    evaluator = Tabular(table(tmp_path, "index,acc,note\n4,0.5,x\n0,0.25,y\n", name))
    assert evaluator.metrics == ("acc",)
    assert (value(evaluator, 4), value(evaluator, 0)) == (0.5, 0.25)
    assert len(evaluator) == 2


def test_by_decisions_in_any_order_of_keys(tmp_path):
    decisions = json.dumps({"width": 16, "depth": 2}).replace('"', '""')
    evaluator = Tabular(table(tmp_path, f'decisions,acc\n"{decisions}",0.5\n'))
    assert value(evaluator, {"depth": 2, "width": 16}) == 0.5


def test_by_fingerprint(tmp_path):
    architecture = SPACE.architecture(3)
    evaluator = Tabular(table(tmp_path, f"fingerprint,acc\n{architecture.fingerprint},0.5\n"))
    assert value(evaluator, 3) == 0.5


def test_by_a_digit_for_each_decision(tmp_path):
    evaluator = Tabular(table(tmp_path, "arch,acc\n12,0.5\n"))
    assert value(evaluator, {"depth": 2, "width": 32}) == 0.5


def test_by_a_template_over_decisions(tmp_path):
    evaluator = Tabular(table(tmp_path, "net,acc\n2x16,0.5\n"), key="{depth}x{width}", column="net")
    assert value(evaluator, {"depth": 2, "width": 16}) == 0.5


def test_by_a_function(tmp_path):
    evaluator = Tabular(table(tmp_path, "net,acc\nnr4,0.5\n"), key=lambda a: f"nr{a.index}", column="net")
    assert value(evaluator, 4) == 0.5
    assert evaluator.describe()["key"] == "a function"


def test_by_a_column_for_each_decision(tmp_path):
    evaluator = Tabular(table(tmp_path, "d,w,acc\n2.0,16,0.5\n1,8,0.25\n"), key={"d": "depth", "w": "width"})
    assert evaluator.metrics == ("acc",)
    assert value(evaluator, {"depth": 2, "width": 16}) == 0.5


def test_inactive_decisions_are_empty_cells(tmp_path):
    space = nas.as_space(pg.Dict(kind=pg.oneof([pg.Dict(size=pg.oneof([3, 5])), "none"])), name="conditional")
    label = space.architecture(0).decisions["kind"].replace('"', '""')
    key = {"k": "kind", "s": next(name for name in space.architecture(0).decisions if name != "kind")}
    evaluator = Tabular(table(tmp_path, f'k,s,acc\nnone,,0.5\n"{label}",3,0.25\n'), key=key)
    assert evaluator.evaluate(space.architecture(2))["acc"].value == 0.5
    assert evaluator.evaluate(space.architecture(0))["acc"].value == 0.25


# -- metrics -----------------------------------------------------------------------------------------------------------------


def test_metrics_are_named_and_have_units(tmp_path):
    evaluator = Tabular(table(tmp_path, "index,pixel,acc\n0,3.5,0.5\n"), {"latency_ms": "pixel"})
    (found,) = evaluator.evaluate(SPACE.architecture(0)).items()
    assert found == ("latency_ms", nas.Measurement(3.5, "ms", "table.csv", "column pixel"))


def test_repeated_rows_are_repeats(tmp_path):
    found = Tabular(table(tmp_path, "index,acc\n0,1\n0,3\n")).evaluate(SPACE.architecture(0))["acc"]
    assert (found.value, found.spread, found.n) == (2.0, pytest.approx(2**0.5), 2)


def test_a_second_file_adds_columns(tmp_path):
    first = table(tmp_path, "idx,index,acc\na,0,0.5\nb,1,0.6\n")
    second = table(tmp_path, "idx,latency_ms\nb,7\nc,8\n", "other.csv")
    evaluator = Tabular(first, join=second)
    assert evaluator.metrics == ("acc", "latency_ms")
    assert value(evaluator, 1, "latency_ms") == 7
    with pytest.raises(DataError, match=r"table.csv: no latency_ms for 0\."):
        value(evaluator, 0)


def test_a_study_searches_it(tmp_path):
    rows = "".join(f"{i},{i / 10},{i}\n" for i in range(6))
    evaluator = Tabular(table(tmp_path, "index,acc,latency_ms\n" + rows))
    study = nas.Study(SPACE, controllers.Random(0), evaluator, nas.maximize("acc"), constraints=[nas.at_most("latency_ms", 3)])
    study.run(6)
    assert study.best().value("acc") == 0.3
    assert sorted(t.state for t in study.trials) == ["completed"] * 4 + ["infeasible"] * 2


def test_what_it_is_depends_on_the_content(tmp_path):
    described = [Tabular(table(tmp_path, f"index,acc\n0,{x}\n")).describe() for x in (1, 1, 2)]
    assert json.loads(json.dumps(described[0])) == described[0] == described[1] != described[2]


# -- mistakes ----------------------------------------------------------------------------------------------------------------


def test_a_missing_row_stops_the_study_or_is_infeasible(tmp_path):
    file = table(tmp_path, "index,acc\n0,1\n1,\n")
    with pytest.raises(DataError) as caught:
        Tabular(file).evaluate(SPACE.architecture(5))
    assert str(caught.value) == (
        "table.csv: no row for 5. It has 2 architectures, such as 0; missing='infeasible' goes on without it."
    )
    for index in (1, 5):
        with pytest.raises(Infeasible, match=r"table.csv: no (row|acc) for"):
            Tabular(file, missing="infeasible").evaluate(SPACE.architecture(index))


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("index,acc\n0,1\n", {"metrics": ["ac"]}, "no column 'ac', expected one of index, acc. Perhaps acc is meant."),
        ("index,acc\n0,1\n1,x\n", {"metrics": ["acc"]}, "row 3, acc: 'x' is no number."),
        ("index,acc\n0,1\n1\n", {}, "row 3: 1 cells, expected 2, as the header has."),
        ("net,acc\n0,1\n", {}, "no column names the architectures, expected one of fingerprint, decisions, index, arch."),
        ("net,acc\n0,1\n", {"column": "nat"}, "no column 'nat', expected one of net, acc. Perhaps net is meant."),
        ("arch,acc\nresnet,1\n", {}, "'resnet' in column 'arch' can be read in no way known here"),
        ("decisions,acc\n{a,1\n", {}, "row 2: '{a' is no JSON."),
        ("index\n0\n", {}, "no metrics, expected at least one column of numbers."),
        ("index,acc,acc\n0,1,2\n", {}, "two columns with one name"),
        ("", {}, "no rows"),
    ],
)
def test_files_that_do_not_fit(tmp_path, text, settings, message):
    with pytest.raises(DataError) as caught:
        Tabular(table(tmp_path, text), **settings)
    assert message in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"none.csv: no such file, expected a csv file with a header, plain or .gz"):
        Tabular(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read"):
        Tabular(table(tmp_path, "index", "table.csv").rename(tmp_path / "x.gz"))


def test_files_that_cannot_be_joined(tmp_path):
    first = table(tmp_path, "idx,index,acc\na,0,0.5\n")
    with pytest.raises(DataError, match="both files have acc"):
        Tabular(first, join=table(tmp_path, "idx,acc\na,7\n", "b.csv"))
    with pytest.raises(DataError, match="no idx of table.csv is in it"):
        Tabular(first, join=table(tmp_path, "idx,b\nc,7\n", "b.csv"))
    with pytest.raises(DataError, match="no column 'idx'"):
        Tabular(first, join=table(tmp_path, "id,b\nc,7\n", "b.csv"))


def test_a_template_of_another_space(tmp_path):
    evaluator = Tabular(table(tmp_path, "arch,acc\n|none~0|,0.5\n"))
    with pytest.raises(DataError) as caught:
        value(evaluator, 0)
    assert "the key reads edge01, edge02, edge12, edge03, edge13, edge23, an architecture of six decides depth, width" in str(
        caught.value
    )


# -- the published tables ----------------------------------------------------------------------------------------------------


@published
def test_nasbench201_with_latencies():
    from search_spaces.nasbench201 import from_arch_string, nasbench201

    folder = BENCH / "help_latency"
    evaluator = Tabular(
        BENCH / "nasbench201/nasbench201.csv.gz",
        {"val_acc": "val_c10", "test_acc": "test_c10", "latency_ms": "pixel3"},
        join=folder / "nasbench201_latency_ms.csv.gz",
    )
    assert len(evaluator) == 15_625
    assert evaluator.values("test_acc").max() == pytest.approx(94.373, abs=1e-3)
    row_0 = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    found = evaluator.evaluate(nasbench201.architecture(from_arch_string(row_0)))
    assert {name: m.value for name, m in found.items()} == {
        "val_acc": 81.9,
        "test_acc": 85.86333333333334,
        "latency_ms": 3.60585,
    }


@published
def test_nasbench_macro_and_a_thousand_look_ups_take_a_moment():
    from search_spaces.nasbench_macro import nasbench_macro

    evaluator = Tabular(BENCH / "nasbench_macro/nasbench_macro_cifar10.csv.gz", ["mean_acc"])
    assert len(evaluator) == nasbench_macro.size
    assert evaluator.evaluate(nasbench_macro.baselines["best"])["mean_acc"].value == pytest.approx(93.127, abs=1e-3)
    begun = time.process_time()
    for architecture in nasbench_macro.sample(0, 1000):
        evaluator.evaluate(architecture)
    assert time.process_time() - begun < 2
