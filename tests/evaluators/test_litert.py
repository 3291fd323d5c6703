import numpy as np
import pytest
from evaluator_fakes import SMALLEST, Bicubic

from nas.errors import Infeasible
from trainer.litert import convert


def run(flatbuffer, *inputs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer, num_threads=1)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def test_the_flatbuffer_computes_what_the_network_computes():
    model = SMALLEST.build(seed=0)
    x = np.random.default_rng(0).standard_normal((1, 32, 32, 1)).astype("float32")
    (y,) = run(convert(model), x)
    np.testing.assert_allclose(y, np.asarray(model(x, training=False)), atol=1e-5)


def test_batch_normalization_and_dropout_are_in_inference_mode():
    import keras

    image = keras.Input((4, 4, 2))
    model = keras.Model(image, keras.layers.Dropout(0.9)(keras.layers.BatchNormalization()(image)))
    model.layers[1].set_weights([np.array(w, "float32") for w in ([2, 2], [1, 1], [3, 3], [4, 4])])
    # gamma 2, beta 1, mean 3, variance 4
    (y,) = run(convert(model), np.full((1, 4, 4, 2), 5, "float32"))
    np.testing.assert_allclose(y, 2 * (5 - 3) / np.sqrt(4 + 1e-3) + 1, atol=1e-5)


def test_several_inputs_and_outputs():
    import keras

    a, b = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([a, b], [keras.layers.Subtract()([a, b]), keras.layers.Add()([a, b])])
    found = run(convert(model), np.array([[5, 5]], "float32"), np.array([[1, 2]], "float32"))
    assert sorted(y.tolist() for y in found) == [[[4, 3]], [[6, 7]]]


def test_a_layer_that_litert_lacks_is_named():
    with pytest.raises(Infeasible, match=r"LiteRT cannot express the network: 'tf.ResizeBicubic' op"):
        convert(Bicubic().build())


def test_an_open_size_is_refused():
    import keras

    image = keras.Input((None, 8, 1))
    with pytest.raises(Infeasible, match=r"a fixed input size is needed, the network takes \(1, None, 8, 1\)"):
        convert(keras.Model(image, keras.layers.Conv2D(1, 3)(image)))
