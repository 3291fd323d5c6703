"""The 1D denoising space around Wave-U-Net and DnCNN."""

from encdec_checks import check_space, layers

from search_spaces.denoising1d import denoising1d, make_denoising1d


def test_space():
    check_space(denoising1d, size=40_950_990_038_109_355_845_912_782_438_400_000_000_000_006_048)
    assert denoising1d.output_shape == (16384, 1)


def test_wave_unet_has_its_layers():
    wave = denoising1d.baselines["wave_unet"]
    down = [(1 if i == 0 else 24 * i, 24 * (i + 1)) for i in range(13)]
    up = [(24 * (i + 2) + 24 * (i + 1), 24 * (i + 1)) for i in range(12)]
    weights = sum(15 * a * b + b for a, b in down) + sum(5 * a * b + b for a, b in up) + (24 + 1 + 1)
    assert wave.cost().params == weights == 10_263_002
    assert layers(wave, "Conv1D") == ["Conv1D"] * 26
    assert len(layers(wave, "Concatenate")) == 13


def test_dncnn_predicts_the_noise():
    dncnn = denoising1d.baselines["dncnn"]
    assert dncnn.cost().params == (3 * 64 + 64) + 15 * (3 * 64 * 64 + 64 + 4 * 64) + (3 * 64 + 1)
    assert layers(dncnn)[-1] == "Add"


def test_short_signals_of_any_length():
    heart = make_denoising1d(input=(1001, 2), levels=3)
    assert heart.output_shape == (1001, 2)
    assert heart.doubts == ()
