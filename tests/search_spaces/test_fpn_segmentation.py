"""The feature-pyramid space around Lin et al. 2017 and Kirillov et al. 2019."""

from encdec_checks import check_space, trainable

from search_spaces.fpn_segmentation import fpn_segmentation, make_fpn_segmentation

PYRAMID = 4 * (9 * 256 * 256 + 256)  # 3x3 convolutions with biases
HEAD = 4 * (9 * 256 * 128 + 2 * 128) + 3 * (9 * 128 * 128 + 2 * 128) + 128 * 150 + 150


def laterals(widths):
    return sum(width * 256 + 256 for width in widths)


def test_space():
    check_space(fpn_segmentation, size=16_796_160_000)
    assert fpn_segmentation.output_shape == (512, 512, 150)


def test_residual_encoders_have_the_published_parameters():
    # torchvision's ResNet-50 and -18 without their classifiers: 25,557,032 - 2,049,000 and 11,689,512 - 513,000
    resnet50, resnet18 = (fpn_segmentation.baselines[name] for name in ("resnet50", "resnet18"))
    assert trainable(resnet50) == 23_508_032 + laterals((256, 512, 1024, 2048)) + PYRAMID + HEAD == 28_495_574
    assert trainable(resnet18) == 11_176_512 + laterals((64, 128, 256, 512)) + PYRAMID + HEAD
    resnet34 = fpn_segmentation.baselines["resnet34"]
    assert trainable(resnet34) == 21_797_672 - 513_000 + laterals((64, 128, 256, 512)) + PYRAMID + HEAD


def test_every_level_ends_on_the_finest_grid():
    nodes = fpn_segmentation.baselines["resnet50"].network.nodes
    (merge,) = [node for name, node in nodes.items() if name == "merge"]
    assert [nodes[name].shape for name in merge.inputs] == [(128, 128, 128)] * 4


def test_images_of_other_sizes():
    assert fpn_segmentation.takes_size((256, 128))
    odd = make_fpn_segmentation(input=(75, 90, 3), classes=1, widths=(16, 32))
    assert odd.output_shape == (75, 90, 1)
    assert odd.proof.status == "proved"
