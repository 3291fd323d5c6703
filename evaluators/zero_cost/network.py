"""What zero-cost proxies read off a Keras model, and changes to it that are taken back.

A proxy may take absolute weights, draw others, or set activations aside; `unchanged` gives all of it back, batch statistics and
the state of dropout included, so a proxy's value does not depend on which others were asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

RECTIFIERS = frozenset(
    {"relu", "relu6", "leaky_relu", "elu", "selu", "silu", "gelu", "hard_silu", "mish", "celu", "squareplus"}
)
"""Activations that a unit passes or blocks: their output is above 0 where their input is (hard_silu: also where it is
small)."""

RECTIFIER_LAYERS = frozenset({"ReLU", "LeakyReLU", "PReLU", "ELU"})
GATES = frozenset({"sigmoid", "hard_sigmoid", "softmax"})
"""Activations that weigh what they are multiplied with; wide open they are 1."""


@contextlib.contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Gives back every variable of the model, whatever the block does to them."""
    kept = [np.array(variable) for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in zip(model.variables, kept, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def altered(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Holds (object, attribute, value) while the block runs."""
    kept = [(thing, name, getattr(thing, name)) for thing, name, _ in changes]
    try:
        for thing, name, value in changes:
            setattr(thing, name, value)
        yield
    finally:
        for thing, name, value in reversed(kept):
            setattr(thing, name, value)


@contextlib.contextmanager
def in_float64(model: Any) -> Iterator[None]:
    """Has every layer compute in double precision, up to 1e308 where float32 ends at 3e38; weights stay float32."""
    import keras

    class Double(keras.DTypePolicy):
        compute_dtype = property(lambda self: "float64")

    double = Double("float32")
    with contextlib.ExitStack() as held:
        held.enter_context(
            altered([(layer, "dtype_policy", double) for layer in model.layers if type(layer).__name__ != "InputLayer"])
        )
        if keras.backend.backend() == "jax":  # which else turns float64 into float32
            import jax

            held.enter_context(jax.enable_x64(True))
        yield


def linear_output(model: Any) -> list[tuple[Any, str, Any]]:
    """Changes that leave out the activation of the last layer: losses are of logits, and tanh would hide what is far out."""
    import keras

    last = _layer_of(model, model.outputs[0])
    return [(last, "activation", keras.activations.linear)] if activation_name(last) not in ("", "linear") else []


def linear_units(model: Any) -> list[tuple[Any, str, Any]]:
    """Changes that leave out all activations but gates inside the network."""
    import keras

    linear = keras.activations.linear
    inside = [layer for layer in model.layers if activation_name(layer) not in {"", "linear", *GATES}]
    return [(layer, "activation", linear) for layer in inside] + linear_output(model)


def kernels(model: Any) -> list[Any]:
    """Trainable weights of convolutions and matrix products: those with two axes or more."""
    return [weight for weight in model.trainable_variables if len(weight.shape) >= 2]


def rectified(model: Any) -> list[Any]:
    """The output tensor of each layer that rectifies, by itself or after what else it does."""
    return [
        layer.output
        for layer in model.layers
        if type(layer).__name__ in RECTIFIER_LAYERS or activation_name(layer) in RECTIFIERS
    ]


def features(model: Any) -> Any:
    """The tensor before a classifier: what its last global pooling or flattening reads. Of other networks, the output."""
    if len(model.outputs[0].shape) == 2:
        for layer in reversed(model.layers):
            if type(layer).__name__.startswith(("Global", "Flatten")):
                return layer.input
    return model.outputs[0]


def activation_name(layer: Any) -> str:
    """`relu`; "" where the layer has none."""
    return getattr(getattr(layer, "activation", None), "__name__", "")


def _layer_of(model: Any, tensor: Any) -> Any:
    return next(layer for layer in reversed(model.layers) if any(tensor is output for output in _outputs(layer)))


def _outputs(layer: Any) -> list[Any]:
    return layer.output if isinstance(layer.output, list) else [layer.output]
