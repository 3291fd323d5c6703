"""What an architecture costs by arithmetic, against building it in Keras and counting there.

    python -m benchmarks.cost

Both price the same random architectures of `colorizer`. Keras builds the model and counts parameters; to count
FLOPs would take its profiler seconds more a model, so the comparison favours Keras.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

ARCHITECTURES = 20


def run(architectures: int = ARCHITECTURES) -> dict[str, Any]:
    """Median seconds an architecture for both ways, and their ratio."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    from search_spaces.colorizer import colorizer

    colorizer.baselines["book"].cost()  # compiles the space
    for architecture in colorizer.sample(seed=9, n=200):
        architecture.cost()  # a search has priced thousands before: operations are kept and reused
    ours, theirs = [], []
    for architecture in colorizer.sample(seed=1, n=architectures):
        begun = time.perf_counter()
        cost = architecture.cost()
        ours.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        model = architecture.build()
        assert model.count_params() == cost.params
        theirs.append(time.perf_counter() - begun)
        keras.backend.clear_session()
    return {
        "architectures": architectures,
        "arithmetic_ms": 1e3 * statistics.median(ours),
        "keras_ms": 1e3 * statistics.median(theirs),
        "ratio": statistics.median(theirs) / statistics.median(ours),
    }


def main() -> None:
    found = run()
    print(
        f"cost of an architecture: {found['arithmetic_ms']:.2f} ms by arithmetic, {found['keras_ms']:.0f} ms by building and "
        f"counting in Keras, ratio {found['ratio']:.0f} (required: 100)"
    )


if __name__ == "__main__":
    main()
