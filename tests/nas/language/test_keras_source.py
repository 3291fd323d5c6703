"""Generated source is run in a fresh process, where it must give the network that `build_model` gives."""

import json
import keyword
import os
import subprocess
import sys

import numpy as np
import pytest
from graphs import Sketch, book_network, unet

from nas.errors import SpaceError, UserError
from nas.language.graph import Graph, Node
from nas.language.keras_model import build_model
from nas.language.keras_source import write_source
from nas.language.operation import KerasCall, OpCost

BOOK_START = '''\
"""A network of 26 layers: 1,106,755 parameters, 251.5 MFLOPs an example."""

import keras
from keras import layers


def build_model() -> keras.Model:
    gray = keras.Input((80, 80, 1), name="gray")
    enc0 = layers.Conv2D(32, 3, strides=2, padding="same", name="enc0")(gray)  # 40x40x32
    enc0_act = layers.LeakyReLU(negative_slope=0.2, name="enc0_act")(enc0)  # 40x40x32
'''

NASTY_NAMES = [
    "class",
    "1st conv",
    "print",
    "layers",
    "l",
    "\u00e9t\u00e9\u202e",
    "a\"b'c\\",
    'x")\nimport os\n#',
    "keras",
    "_",
    "a-b",
    "a b",
]


def nasty_network():
    """Each node has a name that would break careless source."""
    net = Sketch()
    x = net.input(4, 4, 1, name="def")
    for name in NASTY_NAMES:
        x = net.conv(x, 2, name=name)
    return net.graph(x)


def wide_network():
    """Names and argument lists that do not fit on one line; several inputs and outputs."""
    net = Sketch()
    a, b = (net.input(8, 8, 2, name=f"the_{which}_image_of_the_stereo_pair_taken_at_dusk") for which in ("left", "right"))
    towers = []
    for k, x in enumerate((a, b, a, b)):
        name = f"encoder_stage_{k}_block_with_a_long_name_convolution"
        x = net.conv(
            x, 4, name=name, use_bias=True, dilation_rate=[1, 1], kernel_initializer="he_normal", data_format="channels_last"
        )
        towers.append(net.conv(x, 2, name=f"{name}_second_convolution", use_bias=True))
    merged = net.concat(*towers, name="concat")
    pair = net.concat(*towers[:2], name="decoder_stage_0_block_with_a_long_name_concatenation_of_two_of_them")
    many = net.concat(*towers, *towers, name="decoder_stage_1_block_with_a_long_name_concatenation_of_all_of_them_twice_over")
    padded = net.add("pad", KerasCall("ZeroPadding2D", padding=[[1, 0], [0, 1]]), many, (9, 9, 16))
    return net.graph(net.conv(merged, 3, name="mask"), pair, padded)


NETWORKS = {"book": book_network, "unet": lambda: unet((4, 8), 8, size=16), "nasty": nasty_network, "wide": wide_network}

CHILD = """
import importlib, json, sys
import numpy as np
facts = {}
for name in sys.argv[1:]:
    model = importlib.import_module(name).build_model()
    data = np.load(name + ".npz", allow_pickle=False)
    model.set_weights([data[f"w{k}"] for k in range(len(model.get_weights()))])
    images = [data[f"x{k}"] for k in range(len(model.inputs))]
    outputs = model(images[0] if len(images) == 1 else images)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    np.savez(name + "_out.npz", *[np.array(output) for output in outputs])
    config = [[type(layer).__name__, layer.name, layer.get_config()] for layer in model.layers]
    facts[name] = {"params": model.count_params(), "config": config, "nas": any(m.split(".")[0] == "nas" for m in sys.modules)}
print(json.dumps(facts))
"""


def test_running_it_in_a_fresh_process_gives_the_same_network(tmp_path):
    rng = np.random.default_rng(0)
    models, outputs = {}, {}
    for name, make in NETWORKS.items():
        (tmp_path / f"{name}.py").write_text(write_source(make()))
        models[name] = model = build_model(make(), seed=1)
        images = [rng.normal(size=(2, *tensor.shape[1:])).astype("float32") for tensor in model.inputs]
        arrays = {f"w{k}": w for k, w in enumerate(model.get_weights())} | {f"x{k}": x for k, x in enumerate(images)}
        np.savez(tmp_path / f"{name}.npz", **arrays)
        answers = model(images[0] if len(images) == 1 else images)
        outputs[name] = [np.array(a) for a in (answers if isinstance(answers, list | tuple) else [answers])]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": ""}
    command = [sys.executable, "-c", CHILD, *NETWORKS]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    facts = json.loads(run.stdout)
    for name, model in models.items():
        assert facts[name]["params"] == model.count_params()
        here = [[type(layer).__name__, layer.name, layer.get_config()] for layer in model.layers]
        assert facts[name]["config"] == json.loads(json.dumps(here))
        assert not facts[name]["nas"]
        with np.load(tmp_path / f"{name}_out.npz") as there:
            assert len(there.files) == len(outputs[name])
            for key, output in zip(there.files, outputs[name], strict=True):
                np.testing.assert_allclose(there[key], output, atol=1e-5)


def test_reads_like_hand_written_code():
    source = write_source(book_network())
    assert source.startswith(BOOK_START)
    assert '    return keras.Model(gray, rgb_tanh, name="network")\n' in source
    assert all(line.count("  # ") == 1 for line in source.splitlines() if " = layers." in line)


@pytest.mark.parametrize("name", NETWORKS)
def test_ruff_passes_and_would_format_nothing(name, tmp_path):
    path = tmp_path / "network.py"
    path.write_text(write_source(NETWORKS[name]()))
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--select=E,F,I,B,UP,SIM,RUF,C4,PIE,W,N", "--line-length=128", "--isolated"]
    for command in ([*ruff, "check", *rules, path], [*ruff, "format", "--isolated", "--line-length=128", "--diff", path]):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


def test_variables_are_safe_whatever_the_names_are():
    lines = write_source(nasty_network()).splitlines()
    variables = [line.split(" = ")[0].strip() for line in lines if " = " in line]
    assert len(set(variables)) == len(variables) == len(NASTY_NAMES) + 1
    assert all(v.isascii() and v.isidentifier() and not keyword.iskeyword(v) for v in variables)
    assert not {"print", "layers", "keras", "l", "build_model"} & set(variables)


def test_the_function_has_the_name_asked_for():
    assert "def winner() -> keras.Model:" in write_source(book_network(), "winner")


@pytest.mark.parametrize("name", ["", "1st", "class", "a b", "f(): pass\nimport os", "keras"])
def test_a_bad_function_name_is_refused(name):
    with pytest.raises(UserError, match="expected a Python identifier"):
        write_source(book_network(), name)


def one_node(call):
    nodes = {"x": Node("x", "x", None, (), (4,), OpCost()), "y": Node("y", "head[0]", call, ("x",), (4,), OpCost())}
    return Graph(nodes, ["x"], ["y"])


def test_values_of_every_plain_type_are_written():
    call = KerasCall("Anything", a=None, b=True, c=-3, d=1e-5, e=[2], f=[[1, 2], []], g={"k": "v"}, h=float("inf"), i="it's")
    expected = 'a=None, b=True, c=-3, d=1e-05, e=(2,), f=((1, 2), ()), g={"k": "v"}, h=float("inf"), i="it\'s", name="y"'
    source = " ".join(write_source(one_node(call)).split())
    assert expected in source.replace("( ", "(")


def test_a_network_without_layers_imports_none():
    network = Graph({"x": Node("x", "x", None, (), (4,), OpCost())}, ["x"], ["x"])
    assert "from keras import layers" not in write_source(network)
    assert 'return keras.Model(x, x, name="network")' in write_source(network)


def test_what_is_not_a_name_cannot_become_code():
    with pytest.raises(SpaceError, match=r"head\[0\]: .* cannot be written as a call"):
        write_source(one_node(KerasCall("Dense(1), __import__('os').system")))
    with pytest.raises(SpaceError, match=r"head\[0\]: .* cannot be written as a call"):
        write_source(one_node(KerasCall("Dense", **{"units=1); exit(": 2})))


def test_a_value_that_is_not_plain_is_refused():
    call = KerasCall("Dense", units=1)
    call.kwargs["units"] = {1, 2}
    with pytest.raises(SpaceError, match=r"head\[0\]: \{1, 2\} of type set cannot be written as source"):
        write_source(one_node(call))


def test_ruff_would_format_nothing_whatever_the_length_of_a_name(tmp_path):
    """Every way to break a line is met on the way from short to long names."""
    for length in range(20, 60):
        net = Sketch()
        x = net.conv(net.input(4, 4, 1), 2, name="a" * length)
        source = write_source(net.graph(net.concat(x, net.norm(x, name="b" * length), name="c" * length)))
        assert max(map(len, source.splitlines())) <= 128
        assert source.count("# 4x4x") == 3
        (tmp_path / f"names_of_{length}.py").write_text(source)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=128", "--diff", tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
