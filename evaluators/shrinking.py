"""A network made cheaper for a proxy task: the same layers on smaller images, or with fewer channels.

Both are clones of the Keras model, so they work for any space; where a network depends on the size of its images or on a number
of channels, it is refused, never bent.

Channels cannot be scaled layer by layer: what is added must keep as many, what the network gives must stay as it is. So tensors
that share a number of channels are put in one group, groups that touch the network's input or output are left alone, and the
layers that make the channels of all others make fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nas.errors import DataError
from trainer.data import Dataset

MAKERS = ("filters", "units")
"""Arguments of Keras layers that say how many channels they make."""


def shrunk(model: Any, data: Dataset, seed: int, width: float = 1.0) -> Any:
    """The same layers with fresh weights, on images of the size of `data`, with a share of the channels.

    Args:
        model: a functional `keras.Model`.
        data: what it will be trained on.
        seed: of the weights.
        width: factor on every number of channels that the task does not set, in (0, 1].

    Raises:
        DataError: the network depends on the size of its images, or on numbers of channels.
    """
    import keras

    keras.utils.set_random_seed(seed)
    narrowed = _narrowed_layers(model) if width < 1 else {}

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in narrowed:
            argument = narrowed[layer.name]
            config[argument] = max(1, round(width * config[argument]))
        return type(layer).from_config(config)

    problem = ""
    try:
        small = keras.models.clone_model(model, input_tensors=keras.Input(data.input_shape), clone_function=clone)
    except (ValueError, TypeError) as error:
        problem = f"the network does not build on {data.input_shape} ({str(error).splitlines()[0]})"
    else:
        given = tuple(small.output_shape[1:])
        if given[-1] != model.output_shape[-1] or not data.gives(given):
            problem = f"on {data.input_shape} the network gives {given}, not {(*data.output_shape[:2], model.output_shape[-1])}"
        elif width == 1 and small.count_params() != model.count_params():
            problem = f"on {data.input_shape} the network has {small.count_params()} parameters, not {model.count_params()}"
        elif width < 1 and small.count_params() >= model.count_params():
            problem = f"no channel of the network can be left out: it has {model.count_params()} parameters at any width"
    if problem:
        setting, depends = ("width", "numbers of channels") if width < 1 else ("resolution", "the image size")
        raise DataError(
            problem,
            path=f"ProxyTraining({setting})",
            received=width if width < 1 else data.input_shape,
            expected=f"a network whose layers do not depend on {depends}",
            hint=f"Use {setting}=1, and epochs or data_share to save time",
        )
    return small


def _narrowed_layers(model: Any) -> dict[str, str]:
    """Layers whose channels can be scaled, with the argument that says how many there are."""
    groups = _Groups()
    sums: list[tuple[Any, list[Any]]] = []
    makers: dict[str, tuple[str, Any]] = {}
    for layer, inputs, output in _calls(model):
        argument = next((name for name in MAKERS if name in layer.get_config()), None)
        if argument is not None:
            makers[layer.name] = argument, output
        elif type(layer).__name__ == "Concatenate":
            sums.append((output, inputs))
        else:
            for tensor in inputs:
                if tensor.shape[-1] == output.shape[-1] or len(inputs) == 1:
                    groups.join(tensor, output)
    for tensor in (*model.inputs, *model.outputs):
        groups.fix(tensor)
    before = -1
    while before != len(groups.fixed):  # a sum that is fixed fixes its parts
        before = len(groups.fixed)
        for output, inputs in sums:
            if groups.is_fixed(output):
                for tensor in inputs:
                    groups.fix(tensor)
    return {name: argument for name, (argument, tensor) in makers.items() if not groups.is_fixed(tensor)}


def _calls(model: Any) -> Iterator[tuple[Any, list[Any], Any]]:
    """(layer, its inputs, its output) for each layer of a functional model, in order."""
    for layer in model.layers:
        for node in layer._inbound_nodes:
            if node.arguments.keras_tensors and all(_belongs(model, t) for t in node.arguments.keras_tensors):
                yield layer, list(node.arguments.keras_tensors), node.outputs[0]


def _belongs(model: Any, tensor: Any) -> bool:
    return tensor._keras_history.operation in model._operations


class _Groups:
    """Tensors with the same number of channels (union-find), and the groups that must not change."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self.fixed: set[int] = set()

    def _root(self, key: int) -> int:
        parent = self._parent.setdefault(key, key)
        while parent != self._parent[parent]:
            parent = self._parent[parent]
        return parent

    def join(self, a: Any, b: Any) -> None:
        self._parent[self._root(id(a))] = self._root(id(b))

    def fix(self, tensor: Any) -> None:
        self.fixed.add(self._root(id(tensor)))

    def is_fixed(self, tensor: Any) -> bool:
        return self._root(id(tensor)) in self.fixed
