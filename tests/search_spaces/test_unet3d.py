"""The 3D U-Net space around Çiçek et al. 2016."""

from encdec_checks import check_space, layers

from search_spaces.unet3d import make_unet3d, unet3d

PUBLISHED = 19_069_955  # Çiçek et al. 2016, section 2.1; without the scales and shifts of batch normalization


def test_space():
    check_space(unet3d, size=33_601_651_200_000)
    assert unet3d.output_shape == (32, 64, 64, 3)
    assert unet3d.takes_size((16, 32, 32))


def test_the_original_has_its_parameters_and_its_grids():
    valid = make_unet3d(input=(132, 132, 116, 3), padding="valid")
    assert valid.output_shape == (44, 44, 28, 3)
    original = valid.baselines["cicek2016"]
    bare = valid.architecture(original.decisions | {"norm": "none"})
    assert bare.cost().params == PUBLISHED
    channels = sum(n.shape[-1] for n in original.network.nodes.values() if n.call and n.call.layer == "BatchNormalization")
    assert channels == 32 + 64 + 64 + 128 + 128 + 256 + 256 + 512 + 2 * (256 + 128 + 64)
    assert original.cost().params == PUBLISHED + 4 * channels
    assert len(layers(original, "Conv3D")) == 15


def test_the_way_up_undoes_the_strides_of_the_way_down():
    flat = unet3d.architecture(unet3d.baselines["cicek2016"].decisions | {"stride1": "in slices"})
    shapes = [n.shape for n in flat.network.nodes.values() if n.call and n.call.layer == "Conv3DTranspose"]
    assert [shape[:-1] for shape in shapes] == [(16, 16, 16), (32, 32, 32), (32, 64, 64)]
    assert flat.network.nodes[flat.network.outputs[0]].shape == (32, 64, 64, 3)
