"""Zero-cost proxies: scores of an untrained network from one batch, seconds instead of a training.

    evaluator    ZeroCost, the evaluator
    saliency     grad_norm, snip, synflow
    separation   naswot, jacob_cov
    zen          zen
    untrained    what each of them is given
    batch        the examples that are looked at, and the loss for whatever the network gives
    network      what is read off a Keras model, and changes that are taken back
    gradients    TensorFlow, JAX, PyTorch

They know nothing of the task beyond one batch, so how far to trust them has to be measured on each: `nas proxy design` does.
"""

from evaluators.zero_cost.evaluator import COUNTED, SCORES, ZeroCost

__all__ = ["COUNTED", "SCORES", "ZeroCost"]
