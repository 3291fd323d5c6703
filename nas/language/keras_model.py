"""A graph as a Keras model: the functional API, stock layers only, so that the saved file loads wherever Keras is.

Keras is imported only when a model is built.
"""

from __future__ import annotations

import difflib
from typing import Any

from nas.errors import ShapeError, SpaceError
from nas.language.backend import import_keras
from nas.language.graph import Graph, Node


def build_model(graph: Graph, name: str = "network", seed: int | None = None) -> Any:
    """A `keras.Model` whose layers are named after the graph's nodes and stand in the graph's order.

    Args:
        graph: the network; nodes that no output needs are left out.
        name: of the model.
        seed: makes the initial weights reproducible. It is set with `keras.utils.set_random_seed`, which seeds Python's,
            NumPy's and the backend's global generators.

    Returns:
        A model from inputs to outputs in the graph's order: a single tensor where there is one, else a list.

    Raises:
        SpaceError: a layer that Keras does not have, or arguments that it refuses.
        ShapeError: Keras computes another shape than the operation's shape rule promised.
        UserError: the backend that Keras is set to is not installed.
    """
    keras = import_keras()
    if seed is not None:
        keras.utils.set_random_seed(seed)
    graph = graph.live()
    tensors: dict[str, Any] = {}
    for node in graph.nodes.values():
        if node.call is None:
            tensors[node.name] = keras.Input(node.shape, name=node.name)
        else:
            sources = [tensors[source] for source in node.inputs]
            tensors[node.name] = _apply(keras, node, sources)
    inputs = [tensors[n] for n in graph.inputs]
    outputs = [tensors[n] for n in graph.outputs]
    return keras.Model(inputs[0] if len(inputs) == 1 else inputs, outputs[0] if len(outputs) == 1 else outputs, name=name)


def _apply(keras: Any, node: Node, sources: list[Any]) -> Any:
    """The output tensor of the node's layer on `sources`."""
    assert node.call is not None
    layer_class = _layer_class(keras, node)
    try:
        layer = layer_class(**node.call.kwargs, name=node.name)
        output = layer(*sources) if node.call.separate or len(sources) == 1 else layer(sources)
    except (TypeError, ValueError) as error:
        shapes = ", ".join(str(tuple(source.shape[1:])) for source in sources)
        raise SpaceError(
            f"Keras refuses {node.call} on {shapes}: {error}",
            path=node.path,
            received=node.call,
            hint=f"Mend the operation's `keras` rule: see keras.layers.{node.call.layer}",
        ) from error
    if tuple(output.shape[1:]) != tuple(node.shape):
        raise ShapeError(
            f"{node.call} gives {tuple(output.shape[1:])} in Keras",
            path=node.path,
            received=tuple(output.shape[1:]),
            expected=f"{tuple(node.shape)} by its shape rule",
            hint="Mend the operation's `output_shape` or `keras` rule",
        )
    return output


def _layer_class(keras: Any, node: Node) -> Any:
    assert node.call is not None
    layer = getattr(keras.layers, node.call.layer, None)
    if isinstance(layer, type) and issubclass(layer, keras.layers.Layer):
        return layer
    stock = [n for n in dir(keras.layers) if isinstance(getattr(keras.layers, n), type)]
    close = difflib.get_close_matches(node.call.layer, stock)
    raise SpaceError(
        f"Keras has no layer {node.call.layer!r}",
        path=node.path,
        received=node.call.layer,
        expected="the name of a class in keras.layers" + (f", such as {', '.join(close)}" if close else ""),
        hint="Custom layers are not used: a saved model could not be loaded without their code",
    )
