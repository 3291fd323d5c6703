"""The super-resolution space around SRCNN, VDSR, ESPCN and EDSR."""

import pytest
from encdec_checks import check_space, layers

from search_spaces.super_resolution import make_super_resolution, super_resolution


def test_space():
    check_space(super_resolution, size=155_520)
    assert super_resolution.output_shape == (96, 96, 3)
    assert super_resolution.takes_size((37, 90))


def test_edsr_has_its_published_parameters():
    edsr = super_resolution.baselines["edsr"]
    # head, 16 blocks of two convolutions, tail, one doubling, output
    assert edsr.cost().params == 1_792 + 16 * 2 * 36_928 + 36_928 + (9 * 64 * 256 + 256) + 1_731 == 1_369_859


@pytest.mark.slow
def test_edsr_for_scale_4():
    larger = make_super_resolution(scale=4)
    assert larger.baselines["edsr"].cost().params == 1_517_571
    assert larger.output_shape == (192, 192, 3)


def test_networks_for_one_channel_have_their_published_weights():
    thrice = make_super_resolution(input=(30, 30, 1), scale=3)
    assert thrice.output_shape == (90, 90, 1)
    srcnn, vdsr, espcn = (thrice.baselines[name] for name in ("srcnn", "vdsr", "espcn"))
    assert srcnn.cost().params == 8_032 + (64 + 32 + 1)
    assert vdsr.cost().params == 664_704 + (19 * 64 + 1)
    assert espcn.cost().params == (25 * 64 + 64) + (9 * 64 * 32 + 32) + (9 * 32 * 9 + 9)
    assert layers(vdsr, "Conv2D", "Add") == ["Conv2D"] * 20 + ["Add"]
