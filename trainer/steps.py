"""What a training loop calls: one step on a batch, and predictions for a block of examples.

Under TensorFlow a step is one compiled function that runs Keras' own `train_step` on every replica of the network's strategy.
`keras.Model.fit` is not used: under MultiWorkerMirroredStrategy it fails (keras-team/keras #20585, still in 3.15), and a loop
of one's own reads from top to bottom. Other backends use `train_on_batch` and `predict_on_batch`, which compile under JAX and
keep no gradients under PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np


def make_step(model: Any) -> Callable[[Any], float]:
    """A function that trains a compiled `model` on one batch `(x, y)` of `batches_for`.

    It returns the mean training loss since `model.reset_metrics()`: not finite from the first step that is not.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return lambda batch: float(model.train_on_batch(*batch))
    import tensorflow as tf

    _skip_graph_optimizer()
    strategy = model.distribute_strategy

    @tf.function(autograph=False, reduce_retracing=True)
    def step(batch: Any) -> Any:
        logs = strategy.run(model.train_step, args=(batch,))
        return strategy.reduce("MEAN", logs["loss"], axis=None)

    return lambda batch: float(step(batch))


def batches_for(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """Batches as the step wants them: each one split among the replicas of the network's strategy."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return iter(batches)
    return iter(model.distribute_strategy.experimental_distribute_dataset(batches))


def make_predict(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A function from a block `(example, height, width, channels)` to the network's predictions, in inference mode."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return lambda x: np.asarray(model.predict_on_batch(x))
    import tensorflow as tf

    _skip_graph_optimizer()

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, *model.inputs[0].shape[1:]), model.inputs[0].dtype)])
    def predict(x: Any) -> Any:
        return model(x, training=False)

    return lambda x: predict(x).numpy()


def _skip_graph_optimizer() -> None:
    """Lets TensorFlow run functions as they were traced, for all of this process.

    On a processor its optimizer of graphs takes a third of the time to a network's first step (2.9 s, then 2.0 s) and makes the
    steps after it no faster: too much for a trial of some seconds. GPUs need it, for the layout of tensors.
    """
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
