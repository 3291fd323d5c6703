"""Gradients of a scalar in Keras' three backends, as NumPy arrays.

Keras has no gradients of its own; this is all of the proxies that depends on the backend. Under TensorFlow and
PyTorch calls are eager: a network is looked at once, and tracing it would take longer than running it. JAX compiles either way,
and one program is quicker than one for each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def by_weights(
    model: Any, x: np.ndarray, scalar: Callable[[Any], Any], weights: Sequence[Any], training: bool
) -> list[np.ndarray]:
    """d scalar(model(x)) / d weight for each of `weights` (trainable variables), zeros where it does not depend on one."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = scalar(model(x, training=training))
        found = tape.gradient(value, [weight.value for weight in weights])
        zeros = [np.zeros(weight.shape, "float32") for weight in weights]
        return [none if g is None else g.numpy() for g, none in zip(found, zeros, strict=True)]
    if backend == "jax":
        import jax

        places = [next(i for i, v in enumerate(model.trainable_variables) if v is weight) for weight in weights]
        gradient = jax.jit(jax.grad(lambda values: scalar(_stateless(model, values, x, training))))
        found = gradient([v.value for v in model.trainable_variables])
        return [np.asarray(found[place]) for place in places]
    import torch

    found = torch.autograd.grad(scalar(model(x, training=training)), [w.value for w in weights], allow_unused=True)
    zeros = [np.zeros(weight.shape, "float32") for weight in weights]
    return [none if g is None else g.detach().cpu().numpy() for g, none in zip(found, zeros, strict=True)]


def by_inputs(model: Any, x: np.ndarray, training: bool) -> np.ndarray:
    """d sum(model(x)) / d x, of the shape of `x`."""
    import keras
    from keras import ops

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        inputs = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = ops.sum(model(inputs, training=training))
        found = tape.gradient(value, inputs)
        return np.zeros_like(x) if found is None else found.numpy()
    if backend == "jax":
        import jax

        values = [v.value for v in model.trainable_variables]
        gradient = jax.jit(jax.grad(lambda inputs: ops.sum(_stateless(model, values, inputs, training))))
        return np.asarray(gradient(ops.convert_to_tensor(x)))
    import torch

    inputs = ops.convert_to_tensor(x).requires_grad_(True)
    (found,) = torch.autograd.grad(ops.sum(model(inputs, training=training)), [inputs], allow_unused=True)
    return np.zeros_like(x) if found is None else found.detach().cpu().numpy()


def _stateless(model: Any, values: Any, x: Any, training: bool) -> Any:
    fixed = [v.value for v in model.non_trainable_variables]
    return model.stateless_call(values, fixed, x, training=training)[0]
