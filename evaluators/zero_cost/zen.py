"""The Zen-score (Lin et al. 2021, "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", algorithm 1 and eq. 5):
how far a small change of the input moves the features of a network with Gaussian weights, freed of what batch normalization
scaled away.

It needs no labels and no gradients. The paper leaves out residual links, which in a space of wirings are what is searched:
here they stay.
"""

from __future__ import annotations

import contextlib
import math

import numpy as np

from evaluators.zero_cost.network import altered, features, in_float64, kernels, linear_output
from evaluators.zero_cost.untrained import Untrained

CHANGE = 0.01  # alpha in the paper


def zen(untrained: Untrained) -> float:
    """log(mean over examples of the 1-norm of the features' change) + sum over normalizations of log(root mean variance).

    Inputs, their change and the kernels are drawn from normal distributions by `seed`; of the batch only the size is used.
    """
    import keras

    model, size = untrained.model, untrained.batch.x.shape
    rng = np.random.default_rng(untrained.seed)
    for weight in kernels(model):
        weight.assign(rng.standard_normal(weight.shape).astype(np.float32))
    x = rng.standard_normal(size).astype(np.float32)
    moved = x + CHANGE * rng.standard_normal(x.shape).astype(np.float32)
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    # Without normalization, Gaussian weights make activations grow beyond float32 within some 25 layers.
    changes = [(norm, "momentum", 0.0) for norm in norms] + linear_output(model)
    with altered(changes), contextlib.nullcontext() if norms else in_float64(model):
        network = keras.Model(model.inputs[0], features(model))
        first = np.asarray(keras.ops.convert_to_numpy(network(x, training=True)), np.float64)
        variances = [float(np.mean(keras.ops.convert_to_numpy(norm.moving_variance))) for norm in norms]
        second = np.asarray(keras.ops.convert_to_numpy(network(moved, training=True)), np.float64)
    distance = float(np.abs(first - second).reshape(len(x), -1).sum(axis=1).mean())
    if distance <= 0 or min(variances, default=1.0) <= 0:
        return -math.inf
    return math.log(distance) + sum(0.5 * math.log(variance) for variance in variances)
