"""NAS-Bench-Macro against its published table: parameters and multiply-adds of all 6,561 networks, to the digit."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from mobile_checks import build_smallest

from nas.errors import DecisionError
from nas.language.automaton.batch import Pricer
from nas.language.costing import find_metric
from search_spaces.nasbench_macro import BEST, architecture, decisions, make_nasbench_macro, nasbench_macro

TABLE = Path(__file__).resolve().parents[2] / "../shared/bench/nasbench_macro/nasbench_macro_cifar10.csv.gz"


def moving_statistics(call, inputs, output):
    """Weights that the table leaves out: the moving mean and variance of each channel."""
    return 2 * output[-1] if call.layer == "BatchNormalization" else 0


@pytest.mark.skipif(not TABLE.exists(), reason="the published table is not here")
def test_parameters_and_multiply_adds_are_those_of_the_whole_table():
    with gzip.open(TABLE, "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["arch"] for row in rows}) == nasbench_macro.size == 3**8
    metrics = [find_metric("macs"), find_metric("params"), find_metric("statistics", {"statistics": moving_statistics})]
    pricer = Pricer(nasbench_macro, metrics)
    priced = pricer.price(np.stack([nasbench_macro.genome.encode(decisions(row["arch"])) for row in rows]))
    macs, params, statistics = priced.costs.T
    assert priced.builds.all()
    assert macs.tolist() == [int(row["flops"]) for row in rows]
    assert (params - statistics // metrics[2].grain).tolist() == [int(row["params"]) for row in rows]


def test_a_network_of_the_table_by_the_plain_rules():
    # 02012220 in the table: 1,886,890 trained parameters, 65,495,552 multiply-adds
    network = architecture("02012220")
    normalized = sum(n.shape[-1] for n in network.network.nodes.values() if n.call and n.call.layer == "BatchNormalization")
    assert network.cost().macs == 65_495_552
    assert network.cost().params - 2 * normalized == 1_886_890


def test_networks_go_by_the_names_of_the_benchmark():
    assert architecture(BEST) == nasbench_macro.baselines["best"]
    assert architecture("01200000").decisions == {
        "layer0": "identity",
        "layer1": "mb3_k3",
        "layer2": "mb6_k5",
        "layer3": "none",
        "layer4": "none",
        "layer5": "identity",
        "layer6": "none",
        "layer7": "none",
    }
    with pytest.raises(DecisionError, match="eight digits, each 0, 1 or 2"):
        architecture("3210")


def test_identities_leave_nothing_behind_unless_they_change_the_shape():
    empty = architecture("00000000").network
    assert [n.shape for n in empty.nodes.values() if n.path.startswith("layer") and n.call.layer == "Conv2D"] == [
        (16, 16, 64),
        (8, 8, 128),
        (4, 4, 256),
    ]


def test_random_networks_build_in_keras():
    build_smallest(nasbench_macro)


def test_other_images_classes_and_widths():
    space = make_nasbench_macro(input=(64, 64, 1), classes=3, width=16)
    assert space.size == 3**8
    assert space.output_shape == (3,)
