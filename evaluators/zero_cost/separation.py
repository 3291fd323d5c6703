"""Proxies that ask how well an untrained network tells the examples of a batch apart.

Both are from Mellor et al., "Neural Architecture Search without Training": `naswot` of the published version (ICML 2021), and
`jacob_cov` of its first one (arXiv:2006.04647v1), which Abdelfattah et al. 2021 measure under this name.
"""

from __future__ import annotations

import numpy as np

from evaluators.zero_cost import gradients
from evaluators.zero_cost.network import rectified
from evaluators.zero_cost.untrained import Untrained
from nas.errors import Infeasible

K = 1e-5  # Mellor et al. v1, eq. 3: what keeps the logarithm of an eigenvalue finite


def naswot(untrained: Untrained) -> float:
    """log |det K|, K[i, j] = the number of rectified units that examples i and j switch alike (Mellor et al. 2021, eq. 2).

    A unit counts as switched on where its activation's output is above 0, so smooth rectifiers (SiLU, GELU, ELU) have a code
    too.

    Raises:
        Infeasible: the network has no rectifier.
    """
    import keras
    from keras import ops

    model, x = untrained.model, untrained.batch.x
    tensors = rectified(model)
    if not tensors:
        raise Infeasible("naswot: the network has no ReLU or relative of it, so its inputs have no codes")
    outputs = keras.Model(model.inputs[0], tensors)(x, training=True)
    alike = np.zeros((len(x), len(x)))
    for output in outputs if isinstance(outputs, list | tuple) else [outputs]:
        code = ops.cast(ops.reshape(output, (len(x), -1)) > 0, "float32")
        both = ops.convert_to_numpy(ops.matmul(code, ops.transpose(code))).astype(np.float64)
        on = both.diagonal()
        alike += code.shape[1] - on[:, None] - on[None, :] + 2 * both
    return float(np.linalg.slogdet(alike)[1])


def jacob_cov(untrained: Untrained) -> float:
    """-sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlations between the examples' input gradients
    (Mellor et al. v1, eq. 2-3).

    Raises:
        Infeasible: the output does not depend on an input.
    """
    x = untrained.batch.x
    found = gradients.by_inputs(untrained.model, x, training=True).reshape(len(x), -1)
    if not found.std(axis=1).all():
        raise Infeasible("jacob_cov: the network's output does not depend on its input")
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(found.astype(np.float64))) + K
    return float(-np.sum(np.log(np.maximum(eigenvalues, K)) + 1 / np.maximum(eigenvalues, K)))
