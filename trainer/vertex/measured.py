"""What a trial reports beside its metric: NAS trainers add up to five numbers to a report, and the model's FLOPs.

{"accuracy": "0.91", "model_flops": "2.5e8", "key_0": "latency_ms", "value_0": "4.2", ...}
"""

from __future__ import annotations

import json
import math
from pathlib import Path

MOST = 5


def other_metrics(path: Path, metric: str) -> dict[str, float]:
    """The other numbers of a metric file's last report of `metric`; what cannot be read is left out."""
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError):
        return {}
    last = next((entry for entry in reversed(entries) if isinstance(entry, dict) and metric in entry), {})
    named = {last.get(f"key_{i}"): last.get(f"value_{i}") for i in range(MOST)} | {"model_flops": last.get("model_flops")}
    found = {}
    for name, value in named.items():
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if isinstance(name, str) and math.isfinite(number) and (name != "model_flops" or number):
            found[name] = number
    return found
