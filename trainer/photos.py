"""`photos`: a small real data set for colorization, made of photographs that installed packages carry. Nothing is downloaded.

A smoke default, not a generalization claim: five photographs, two scales, tiles of 80x80.

    train, val   each photograph is cut at 65% of its width, BEFORE anything is scaled: left is training, right is validation.
                 Both parts are cut into tiles at native size and at height 240, a tile every 40 pixels: 477 and 217 tiles.
    test         one photograph that training and validation never see (Grace Hopper, from matplotlib): 174 tiles. The grid of
                 the five leaves no strip of 80 pixels unused, so only another photograph is disjoint from both. It asks more
                 than validation does, whose colours come from the same scenes as training's.

On [-1, 1] the validation tiles have these reference errors (MSE): mean colour .2490, gray copied .0625, 256-entry table .0323.
On the test tiles: .388, .0551, .0711.
"""

from __future__ import annotations

import numpy as np

from nas.errors import DataError

TILE = 80  # pixels
STEP = 40  # pixels from one tile to the next
CUT = 0.65  # share of the width that is training
SCALED_HEIGHT = 240  # pixels

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "motorcycle_left")
DESCRIPTION = (
    "five photographs that come with scikit-image (astronaut, coffee, chelsea, rocket, motorcycle_left), 80x80 tiles, "
    "left 65% training, right 35% validation; test: a sixth photograph (Grace Hopper, from matplotlib)"
)


def photo_tiles() -> dict[str, np.ndarray]:
    """uint8 arrays `train_x train_y val_x val_y test_x test_y`: gray `(tile, 80, 80, 1)` and colour `(tile, 80, 80, 3)`.

    Raises:
        DataError: an installed scikit-image or matplotlib does not carry its photographs.
    """
    train, val = [], []
    for name in PHOTOS:
        photo = _photo(name)
        cut = int(CUT * photo.shape[1])
        train += _at_two_scales(photo[:, :cut])
        val += _at_two_scales(photo[:, cut:])
    splits = {"train": train, "val": val, "test": _at_two_scales(_held_out_photo())}
    colour = {name: np.stack(found) for name, found in splits.items()}
    return {f"{name}_x": luma(tiles) for name, tiles in colour.items()} | {f"{name}_y": tiles for name, tiles in colour.items()}


def luma(rgb: np.ndarray) -> np.ndarray:
    """Gray of uint8 RGB, `(..., 3)` -> `(..., 1)`, as in the book: OpenCV's RGB2GRAY, BT.601 weights in 15-bit fixed point."""
    weights = np.array([9798, 19235, 3735], np.int32)  # .299, .587, .114 times 2**15
    return ((rgb.astype(np.int32) @ weights + (1 << 14)) >> 15).astype(np.uint8)[..., None]


def cut_tiles(photo: np.ndarray) -> list[np.ndarray]:
    """All tiles of a photo `(height, width, 3)`, row by row, a tile every 40 pixels; what is left at the edges is not used."""
    height, width = photo.shape[:2]
    rows, columns = range(0, height - TILE + 1, STEP), range(0, width - TILE + 1, STEP)
    return [photo[i : i + TILE, j : j + TILE] for i in rows for j in columns]


def _at_two_scales(photo: np.ndarray) -> list[np.ndarray]:
    return cut_tiles(photo) + cut_tiles(_scaled(photo))


def _scaled(photo: np.ndarray) -> np.ndarray:
    """The photo at height 240: Gaussian against aliasing, then bicubic, rounded back to bytes."""
    from skimage.transform import resize

    width = round(photo.shape[1] * SCALED_HEIGHT / photo.shape[0])
    smooth = resize(photo, (SCALED_HEIGHT, width), order=3, anti_aliasing=True, preserve_range=True)
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def _photo(name: str) -> np.ndarray:
    import skimage.data

    try:
        return skimage.data.stereo_motorcycle()[0] if name == "motorcycle_left" else getattr(skimage.data, name)()
    except (OSError, ImportError) as error:  # scikit-image offers to download what its package lacks, which needs `pooch`
        raise DataError(
            f"scikit-image does not carry {name} ({error})",
            path="photos",
            hint="Install scikit-image from its wheel: pip install scikit-image",
        ) from None


def _held_out_photo() -> np.ndarray:
    """Portrait of Grace Hopper, 600x512: James S. Davis, US Navy, public domain."""
    import matplotlib.cbook
    import skimage.io

    try:
        return skimage.io.imread(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    except OSError as error:
        raise DataError(
            f"matplotlib does not carry grace_hopper.jpg ({error})",
            path="photos",
            hint="Install matplotlib from its wheel: pip install matplotlib",
        ) from None
