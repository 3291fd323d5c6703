"""TransNAS-Bench-101: the published sizes, names, and parameters worked out by hand."""

import itertools
from math import comb

import pytest

import nas
from nas.language.proof import prove
from search_spaces.transnas import arch_string, from_arch_string, make_transnas_micro, transnas_macro, transnas_micro

STEM = 9 * 3 * 32 + 2 * 32 + 9 * 32 * 64 + 2 * 64


def trainable(architecture):
    """Parameters without moving mean and variance, as the benchmark counts them."""
    nodes = [node for node in architecture.network.nodes.values() if node.call]
    moving = sum(2 * node.shape[-1] for node in nodes if node.call.layer == "BatchNormalization")
    return architecture.cost().params - moving


def conv(kernel, before, after):
    """Weights of a convolution and of the normalization after it."""
    return kernel * kernel * before * after + 2 * after


# -- micro -------------------------------------------------------------------------------------------------------------------


def test_micro_is_four_to_the_six_cells_and_all_build():
    assert transnas_micro.size == 4_096
    assert transnas_micro.output_shape == (47,)
    assert prove(transnas_micro).status == "proved"


def test_micro_names():
    names = [arch_string(architecture.decisions) for architecture in transnas_micro]
    edges = itertools.product("0123", repeat=6)
    assert names == ["64-41414-{}_{}{}_{}{}{}".format(*digits) for digits in edges]
    for name in names[::97]:
        assert arch_string(from_arch_string(name)) == name
    example = transnas_micro.baselines["example"].decisions  # the authors spell it out: 1_02_333
    assert example["edge01"] == "skip_connect"
    assert (example["edge02"], example["edge12"]) == ("none", "nor_conv_1x1")
    assert {example[f"edge{i}3"] for i in range(3)} == {"nor_conv_3x3"}


@pytest.mark.parametrize(("classes", "params"), [(47, 41_435_727), (75, 41_450_091), (9, 41_416_233)])
def test_parameters_of_the_largest_cell(classes, params):
    """Scene, object and room layout classification."""
    cells = 0
    for before in (64, 128, 256):
        after = 2 * before
        cells += 3 * conv(3, before, after) + 3 * conv(3, after, after)  # three edges leave the input and halve the grid
    cells += 6 * (conv(3, 128, 128) * 3 + conv(3, 256, 256) * 3 + conv(3, 512, 512))
    assert STEM + cells + 512 * classes + classes == params
    assert trainable(make_transnas_micro(classes=classes).baselines["all_3x3"]) == params


def test_a_skip_that_halves_the_grid_is_two_convolutions_side_by_side():
    skips = transnas_micro.architecture(from_arch_string("64-41414-0_00_100"))
    halving = sum(conv(1, width, 2 * width) for width in (64, 128, 256))
    assert trainable(skips) == STEM + halving + 512 * 47 + 47
    odd = [node for node in skips.network.nodes.values() if node.path.endswith("odd")]
    assert [node.shape for node in odd] == [(32, 32, 64), (16, 16, 128), (8, 8, 256)]


def test_missing_edges_take_what_hangs_on_them_along():
    hanging = transnas_micro.architecture(from_arch_string("64-41414-0_03_301"))  # 1 feeds 2 feeds 3, and nothing feeds 1
    alone = transnas_micro.architecture(from_arch_string("64-41414-0_00_300"))
    assert hanging.fingerprint == alone.fingerprint
    assert hanging.cost() == alone.cost()


# -- macro -------------------------------------------------------------------------------------------------------------------


def test_macro_has_the_published_number_of_networks_and_all_build():
    ways = (sum(comb(n, k) for k in (1, 2, 3, 4)) * sum(comb(n, k) for k in (1, 2, 3)) for n in (4, 5, 6))
    assert transnas_macro.size == sum(ways) == 3_256
    assert transnas_macro.output_shape == (47,)
    assert prove(transnas_macro).status == "proved"


def test_macro_names_are_those_of_the_benchmark():
    names = {arch_string(architecture.decisions) for architecture in transnas_macro}
    allowed = set()
    for depth in (4, 5, 6):
        for digits in itertools.product("1234", repeat=depth):
            smaller, wider = (sum(digit in kinds for digit in digits) for kinds in ("34", "24"))
            if 1 <= smaller <= 4 and 1 <= wider <= 3:
                allowed.add(f"64-{''.join(digits)}-basic")
    assert names == allowed
    for name in sorted(names)[::101]:
        assert arch_string(transnas_macro.architecture(from_arch_string(name)).decisions) == name


def test_parameters_and_multiply_adds_of_a_skeleton():
    """64-4111-basic: the first module halves 64x64 and doubles 64 channels; then seven blocks at 32x32x128."""
    architecture = transnas_macro.baselines["second_example"]
    halving = conv(3, 64, 128) + conv(3, 128, 128) + conv(1, 64, 128)
    assert trainable(architecture) == STEM + halving + 7 * 2 * conv(3, 128, 128) + 128 * 47 + 47
    stem = 128 * 128 * 9 * 3 * 32 + 64 * 64 * 9 * 32 * 64
    blocks = 32 * 32 * (9 * 64 * 128 + 64 * 128 + 15 * 9 * 128 * 128)
    assert architecture.cost().macs == stem + blocks + 128 * 47


def test_where_the_modules_of_both_spaces_agree_so_do_the_costs():
    """The residual block as a cell: the shortcut is two convolutions here and one there, of as many weights together."""
    micro, macro = transnas_micro.baselines["resnet"], transnas_macro.baselines["41414"]
    assert (micro.cost().params, micro.cost().macs) == (macro.cost().params, macro.cost().macs)


# -- both --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "64-41414-4_00_000", "32-4111-basic", "64-1111-basic", "64-4444-basic", "64-411-basic", "64-33333-basic"]
)
def test_other_names_are_refused(text):
    with pytest.raises(nas.errors.DecisionError, match="names no network"):
        from_arch_string(text)


def test_skeletons_that_break_the_rule_are_no_points():
    with pytest.raises(nas.errors.DecisionError):
        transnas_macro.architecture({f"module{i}": "1" for i in range(4)} | {"module4": "none", "module5": "none"})


def test_random_networks_lower_and_price():
    for space in (transnas_micro, transnas_macro):
        assert all(architecture.cost().params >= 0 for architecture in space.sample(seed=0, n=200))


def test_networks_build_in_keras_with_equal_parameters():
    for architecture in (transnas_micro.baselines["example"], transnas_macro.baselines["second_example"]):
        assert architecture.build().count_params() == architecture.cost().params
