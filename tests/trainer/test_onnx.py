import numpy as np
import pytest
from trainer_fakes import tiny_model

from nas.errors import Infeasible
from trainer.onnx import convert

pytest.importorskip("tf2onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def session(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def test_predicts_as_the_network_does_for_any_number_of_examples():
    model = tiny_model()
    x = np.random.default_rng(0).standard_normal((5, *model.inputs[0].shape[1:])).astype(np.float32)
    found = session(convert(model, batch=None)).run(None, {"input_0": x})[0]
    np.testing.assert_allclose(found, model(x, training=False), atol=1e-5)


def test_a_fixed_batch_is_in_the_file():
    assert session(convert(tiny_model())).get_inputs()[0].shape[0] == 1


def test_a_layer_that_onnx_lacks_is_infeasible():
    import keras
    import tensorflow as tf

    class Unknown(keras.layers.Layer):
        def call(self, x):
            return tf.raw_ops.Betainc(a=x + 2.0, b=x + 2.0, x=x * 0 + 0.5)

    x = keras.Input((4, 4, 1))
    with pytest.raises(Infeasible, match="ONNX cannot express the network: .*Betainc"):
        convert(keras.Model(x, Unknown()(x)))
