"""Writes the four arrays that task.py reads, from the photographs of `photos`: python make_data.py FOLDER [TILES]."""

import sys
from pathlib import Path

import numpy as np

from trainer.photos import photo_tiles


def main(folder: str, tiles: int = 10**6) -> None:
    """Bytes, x `(example, 80, 80, 1)` and y `(example, 80, 80, 3)`; at most `tiles` examples of training and of validation."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    arrays = photo_tiles()
    for split in ("train", "val"):
        drawn = np.random.default_rng(0).permutation(len(arrays[f"{split}_x"]))[:tiles]
        for axis in ("x", "y"):
            np.save(Path(folder) / f"{split}_{axis}.npy", arrays[f"{split}_{axis}"][drawn], allow_pickle=False)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
