"""The U-Net space around Ronneberger et al. 2015."""

import pytest
from encdec_checks import build_and_compare, check_space, layers

from search_spaces.unet import make_unet, unet

# conv(k, a, b) = k * k * a * b + b: two 3x3 convolutions a level, 2x2 up-convolutions, 1x1 to two classes
ORIGINAL = 31_030_658


@pytest.fixture(scope="module")
def valid():
    return make_unet(input=(572, 572, 1), padding="valid")


def test_space():
    check_space(unet, size=1_195_317_856_053_981_093_298_176)
    assert unet.output_shape == (128, 128, 2)


def test_the_original_has_its_parameters_and_its_grids(valid):
    original = valid.baselines["ronneberger2015"]
    assert original.cost().params == ORIGINAL
    assert original.cost().params == sum(
        9 * a * b + b
        for a, b in [
            *(
                (1, 64),
                (64, 64),
                (64, 128),
                (128, 128),
                (128, 256),
                (256, 256),
                (256, 512),
                (512, 512),
                (512, 1024),
                (1024, 1024),
            ),
            *((1024, 512), (512, 512), (512, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64)),
        ]
    ) + sum(4 * 2 * b * b + b for b in (512, 256, 128, 64)) + (64 * 2 + 2)
    assert valid.output_shape == (388, 388, 2)
    grids = [node.shape[0] for node in original.network.nodes.values() if node.call and node.call.layer == "Conv2D"]
    assert grids == [570, 568, 282, 280, 138, 136, 66, 64, 30, 28, 54, 52, 102, 100, 198, 196, 390, 388, 388]
    assert layers(original, "Cropping2D", "MaxPooling2D", "Conv2DTranspose", "Concatenate", "Dropout") == (
        ["MaxPooling2D"] * 4 + ["Dropout"] + ["Conv2DTranspose", "Cropping2D", "Concatenate"] * 4
    )
    build_and_compare(original)


def test_unpadded_every_architecture_keeps_the_grids(valid):
    assert valid.proof.status == "proved"
    for architecture in valid.sample(seed=0, n=50):
        assert architecture.network.nodes[architecture.network.outputs[0]].shape == (388, 388, 2)


def test_padding_does_not_change_the_parameters():
    original = unet.baselines["ronneberger2015"]
    assert original.cost().params == ORIGINAL
    assert not layers(original, "Cropping2D", "ZeroPadding2D")


def test_the_other_baselines_say_what_they_are():
    assert layers(unet.baselines["attention"], "Multiply") == ["Multiply"] * 4
    assert layers(unet.baselines["residual"], "Add") == ["Add"] * 9
    assert unet.baselines["residual"].decisions["level3.level4.enc4.block"] == "residual"


def test_images_of_other_sizes():
    assert unet.takes_size((64, 256))
    odd = make_unet(input=(101, 75, 3), classes=1, widths=(16, 32, 64))
    assert odd.output_shape == (101, 75, 1)
    assert odd.doubts == ()
    assert layers(odd.baselines["ronneberger2015"], "Cropping2D") == ["Cropping2D"] * 2
