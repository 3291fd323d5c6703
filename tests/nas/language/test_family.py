"""Families of spaces: references with arguments as JSON, and what is refused."""

import pickle
import subprocess
import sys
from pathlib import Path

import pyglove as pg
import pytest

import nas
from nas import layers as L
from nas import oneof
from nas.errors import SpaceError


@nas.family
def make_net(size=(8, 8, 1), classes=2, widths=(2, 4), extra=None):
    """A family."""
    assert isinstance(widths, tuple)

    @nas.space(input=size)
    def net(x):
        """One of the family."""
        return L.Conv2D(classes, 1)(L.Conv2D(oneof(list(widths)), oneof([1, 3]))(x))

    return net


@nas.family
def make_value(most=3):
    return pg.Dict(x=pg.oneof(list(range(most))))


net = make_net()
wide = make_net(widths=[2, 4, 8])

HERE = f"{__name__}:"
JSON = ", expected numbers, texts, true, false, null, lists, or mappings from texts."


def test_a_reference_says_with_which_arguments_a_space_was_made():
    assert net.reference == HERE + "make_net"
    assert wide.reference == HERE + 'make_net?{"widths":[2,4,8]}'
    assert make_net(classes=3, widths=(5,)).reference == HERE + 'make_net?{"classes":3,"widths":[5]}'
    assert (net.name, net.description, make_net.__doc__) == ("net", "One of the family.", "A family.")
    assert make_value(most=5).size == 5
    assert make_value(most=5).name == "make_value"


@pytest.mark.parametrize("space", [net, wide, make_net(size=(4, 4, 2), extra={"a": [1, None]}), make_value(most=7)])
def test_it_is_found_again(space):
    assert nas.load_space(space.reference).digest == space.digest
    assert pickle.loads(pickle.dumps(space)).digest == space.digest  # noqa: S301
    smaller = space.within(params=1000) if space.is_network else space
    assert pickle.loads(pickle.dumps(smaller)).digest == smaller.digest  # noqa: S301


def test_another_process_finds_it():
    code = f"import nas; print(nas.load_space({wide.reference!r}).digest)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    assert found.stdout.strip() == wide.digest


def test_a_file_finds_it(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import nas\nfrom nas import layers as L, oneof\n"
        "@nas.family\ndef make(width=2):\n"
        "    @nas.space(input=(4, 4, 1))\n    def net(x):\n        return L.Conv2D(oneof([width, 2 * width]), 1)(x)\n"
        "    return net\nsmall = make().within(params=100)\n"
    )
    found = nas.load_space(f'{file}:make?{{"width": 3}}')
    assert found.reference == f'{file}:make?{{"width":3}}'
    assert {a.cost().params for a in found} == {6, 12}
    small = nas.load_space(f"{file}:small")
    assert small.reference == f"{file}:small"
    assert pickle.loads(pickle.dumps(small)).digest == small.digest  # noqa: S301


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_net((4, 4, 1)), "make_net: arguments without names. Write make_net(size=(4, 4, 1))."),
        (lambda: make_net(width=3), "make_net: no argument 'width', expected one of size, classes, widths, extra."),
        (
            lambda: make_net(extra={1, 2}),
            "make_net(extra): {1, 2} is not plain JSON" + JSON,
        ),
        (
            lambda: make_net(extra={1: 2}),
            "make_net(extra): {1: 2} is not plain JSON" + JSON,
        ),
        (
            lambda: make_net(classes=float("inf")),
            "make_net(classes): inf is not plain JSON" + JSON,
        ),
        (
            lambda: nas.load_space(HERE + "make_net?classes=3"),
            f"{__name__}:make_net: its arguments are not JSON (Expecting value: line 1 column 1 (char 0)), "
            'expected an object such as {"classes": 3}.',
        ),
        (
            lambda: nas.load_space(HERE + "make_net?[3]"),
            f'{__name__}:make_net: its arguments are [3], expected an object such as {{"classes": 3}}.',
        ),
        (
            lambda: nas.load_space(HERE + "net?{}"),
            f"{__name__}:net?{{}}: SearchSpace takes no arguments, expected a function decorated with @nas.family. "
            f"Name the space alone: {__name__}:net.",
        ),
        (
            lambda: nas.family(lambda size: None),
            "<lambda>(size): no default, expected one of plain JSON. Write def <lambda>(size=...).",
        ),
        (lambda: nas.family(lambda *sizes: None), "<lambda>: *sizes cannot be given by name, expected keyword arguments."),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(SpaceError) as caught:
        call()
    assert str(caught.value) == message


def test_a_family_inside_a_function_has_no_reference():
    @nas.family
    def make(width=2):
        return nas.space(input=(4, 4, 1))(lambda x: L.Conv2D(oneof([width, 8]), 1)(x))

    assert make(width=3).reference is None
    with pytest.raises(SpaceError, match="no import leads to it"):
        pickle.dumps(make())
