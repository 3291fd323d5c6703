"""Proxies that sum what the weights mean to the loss, on one batch before training.

They were made to prune weights; summed over a network they order networks (Abdelfattah et al. 2021, "Zero-Cost Proxies for
Lightweight NAS", section 3.2). Only kernels count, not biases or normalization; batch normalization uses the batch, as in
training.
"""

from __future__ import annotations

import numpy as np

from evaluators.zero_cost import gradients
from evaluators.zero_cost.network import altered, in_float64, kernels, linear_units
from evaluators.zero_cost.untrained import Untrained


def grad_norm(untrained: Untrained) -> float:
    """The sum over kernels of the Euclidean norm of the loss's gradient (Abdelfattah et al. 2021, section 3.2.1)."""
    return float(sum(np.linalg.norm(gradient.astype(np.float64)) for _, gradient in untrained.weight_gradients))


def snip(untrained: Untrained) -> float:
    """The sum over weights of |dL/dw * w| (Lee et al. 2019, "SNIP", eq. 4, without the normalization)."""
    return float(sum(np.abs(weight * gradient, dtype=np.float64).sum() for weight, gradient in untrained.weight_gradients))


def synflow(untrained: Untrained) -> float:
    """The natural logarithm of the sum over weights of dR/dw * w (Tanaka et al. 2020, "Pruning neural networks without any
    data by iteratively conserving synaptic flow", eq. 2).

    R is the sum of the outputs of the linear network with absolute weights, on inputs of ones; no data are looked at. Gates
    stay: flow that grows saturates them at 1, open. A network with many layers exceeds float32, so it is run in double
    precision.
    """
    from keras import ops

    model = untrained.model
    ones = np.ones((1, *untrained.batch.x.shape[1:]), np.float32)
    with altered(linear_units(model)), in_float64(model):
        for weight in model.trainable_variables:
            weight.assign(ops.abs(weight))
        total = float(ops.convert_to_numpy(ops.sum(model(ones, training=False))))
        weights = kernels(model)
        # Of log R, because gradients come back in the precision of the weights, and those of R would not fit into float32.
        found = gradients.by_weights(model, ones, lambda outputs: ops.log(ops.sum(outputs)), weights, training=False)
        share = sum(float((np.asarray(weight) * gradient).sum()) for weight, gradient in zip(weights, found, strict=True))
    return float(np.log(total) + np.log(share)) if total > 0 and share > 0 else -np.inf
