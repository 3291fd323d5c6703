"""`dense_autoencoder`: fully connected autoencoders for vectors, mirrored layer by layer.

Hinton & Salakhutdinov 2006, *Reducing the Dimensionality of Data with Neural Networks* (Science 313): 784-1000-500-250-30
with sigmoids and a linear code, and back; 2,837,314 parameters (`baselines["hinton2006"]`). F. Chollet, *Building
Autoencoders in Keras* (The Keras Blog, 2016) has 784-32-784 (50,992 parameters, `"keras_blog"`) and 784-128-64-32 and back
(222,384, `"keras_blog_deep"`), with ReLU.

Open are the number of hidden layers (none to three), their widths (each one decision for both directions), the code's size,
its activation, the activation of the rest, normalization and dropout of the input (Vincent et al. 2008: a denoising
autoencoder).
"""

from __future__ import annotations

from typing import Any

import nas
from nas import layers as L
from nas import oneof

WIDTHS = ((1000, 512, 256, 128), (500, 256, 128, 64), (250, 128, 64, 32))
CODE = (30, 2, 8, 16, 32, 64)
BLOG = {"activation": "relu"}


@nas.family
def make_dense_autoencoder(
    input: tuple[int, ...] = (784,), widths: tuple[tuple[int, ...], ...] = WIDTHS, code: tuple[int, ...] = CODE
) -> nas.SearchSpace:
    """The space for other vectors.

    Args:
        input: (features,), values from 0 to 1.
        widths: units to choose from in each hidden layer, outermost first. The layers within the first may be absent.
        code: sizes of the code to choose from.
    """

    @nas.space(
        input=input,
        name="dense_autoencoder",
        baselines={
            "hinton2006": {"level1": True, "level1.level2": True, "level1.level2.level3": True},
            "keras_blog": BLOG | {"code": 32, "code_activation": "relu"},
            "keras_blog_deep": BLOG
            | {"level1": True, "width0": 128, "level1.level2": True, "width1": 64, "code": 32, "code_activation": "relu"},
        },
    )
    def dense_autoencoder(vector: Any) -> Any:
        """Dense autoencoder (Hinton & Salakhutdinov 2006): depth, widths, code, activation, dropout."""
        activation = nas.tied(["sigmoid", "relu", "tanh"], name="activation")
        norm = nas.tied(["none", "batch"], name="norm").map({"none": None, "batch": L.BatchNormalization()}.get)
        units = [nas.tied(options, name=f"width{i}") for i, options in enumerate(widths)]
        code_units = nas.tied(code, name="code")
        code_activation = nas.tied(["linear", "relu"], name="code_activation")

        def layer(width: Any) -> Any:
            return nas.chain(L.Dense(width), norm, L.Activation(activation))

        x = L.Dropout(oneof([0.0, 0.1, 0.25, 0.5]), name="corrupt")(vector)
        levels = nas.encoder(lambda width: None, [*units, None], down=lambda level: layer(units[level.index - 1]), at_least=1)(
            x
        )
        x = nas.decoder(
            lambda width: None,
            up=lambda level: layer(units[level.index]),
            skip=None,
            bottom=L.Dense(code_units, activation=code_activation),
        )(levels)
        return L.Dense(input[0], activation="sigmoid", name="restored")(x)

    return dense_autoencoder


dense_autoencoder = make_dense_autoencoder()
