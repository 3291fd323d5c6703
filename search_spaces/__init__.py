"""Search spaces ready to use. `get("unet")` or `from search_spaces.unet import unet`.

Each module names its source, lists published points as `space.baselines`, and makes its spaces with a function of the input
shape, the number of classes and so on: `search_spaces.unet.make_unet(input=(256, 256, 3), classes=10)`. A command takes that as
`'search_spaces.unet:make_unet?{"input": [256, 256, 3], "classes": 10}'`.

    encoder-decoder   colorizer unet unet3d fpn_segmentation conv_autoencoder dense_autoencoder super_resolution denoising1d
    mobile            mobilenet_v2 mobilenet_v3 mobilenet_v3_small once_for_all mnasnet efficientnet efficientnet_v2
                      efficientnet_v2_s
    cells             darts nasnet
    multi-scale       spinenet nasfpn
    benchmarks        nasbench201 nasbench_macro transnas_micro transnas_macro
"""

from __future__ import annotations

import importlib
from typing import Any

from nas.errors import SpaceError

_ELSEWHERE = {  # name -> module, where it is not the module of that name
    "mobilenet_v3_small": "mobilenet_v3",
    "efficientnet_v2_s": "efficientnet_v2",
    "transnas_micro": "transnas",
    "transnas_macro": "transnas",
}

NAMES = (
    *("colorizer", "unet", "unet3d", "fpn_segmentation", "conv_autoencoder", "dense_autoencoder"),
    *("super_resolution", "denoising1d"),
    *("mobilenet_v2", "mobilenet_v3", "mobilenet_v3_small", "once_for_all", "mnasnet"),
    *("efficientnet", "efficientnet_v2", "efficientnet_v2_s"),
    *("darts", "nasnet", "spinenet", "nasfpn"),
    *("nasbench201", "nasbench_macro", "transnas_micro", "transnas_macro"),
)


def get(name: str) -> Any:
    """The prebuilt space of that name.

    Raises:
        SpaceError: there is none; lists those there are.
    """
    if name not in NAMES:
        raise SpaceError(
            f"no prebuilt space {name!r}",
            path=name,
            received=name,
            expected=f"one of {', '.join(NAMES)}, or module.path.function, or file.py:function",
        )
    return getattr(importlib.import_module(f"search_spaces.{_ELSEWHERE.get(name, name)}"), name)
