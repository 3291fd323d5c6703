"""Training that survives being killed: everything it knows after an epoch, in one file that is replaced whole.

The file holds every variable of the network (batch statistics and the random states of dropout among them), every variable of
the optimizer, the best weights so far, and the epochs run. Together with `pipelines.training_order` that is all there is: the
continuation trains on the same batches with the same numbers. Under PyTorch, whose dropout draws from a global generator and
not from a state of its own in the network, the generators' states are kept too.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.language.backend import chosen

FILE = "checkpoint.npz"

Arrays = list[np.ndarray]


class Checkpoint:
    """The state of one training in `directory`.

    Args:
        directory: made if it does not exist.
        identity: what makes it this training and no other (settings, data, network), as plain JSON.

    Raises:
        UserError: the directory cannot be written to.
    """

    def __init__(self, directory: str | os.PathLike[str], identity: Mapping[str, Any]):
        self.file = Path(directory) / FILE
        self.identity = json.loads(json.dumps(identity))
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot be made ({error.strerror})", path=str(directory), hint="Choose a directory you can write to"
            ) from None

    def save(self, model: Any, history: Sequence[Mapping[str, Any]], best: Arrays | None) -> None:
        """Replaces the file by the state after the last epoch of `history`."""
        groups = {
            "model": read_variables(model.variables),
            "optimizer": read_variables(model.optimizer.variables),
            "best": best or [],
            "generator": _generators(),
        }
        arrays = {f"{group}_{i}": array for group, found in groups.items() for i, array in enumerate(found)}
        meta = json.dumps({"identity": self.identity, "history": list(history)})
        part = self.file.with_suffix(".part")
        try:
            with part.open("wb") as out:
                np.savez(out, meta=np.array(meta), **arrays)  # type: ignore[arg-type]
                out.flush()
                os.fsync(out.fileno())
            os.replace(part, self.file)
        except OSError as error:
            raise UserError(
                f"cannot be written ({error.strerror})", path=str(self.file), hint="Check space and permissions"
            ) from None

    def restore(self, model: Any) -> tuple[list[dict[str, Any]], Arrays | None]:
        """Puts the saved state into `model` and its (built) optimizer.

        Returns:
            The epochs run, and the weights of the best if they are kept; `([], None)` if nothing was saved.

        Raises:
            UserError: the file is of another training, or damaged.
        """
        if not self.file.exists():
            return [], None
        try:
            with np.load(self.file, allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files}
            meta = json.loads(str(arrays.pop("meta")))
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"cannot be read ({error})", path=str(self.file), hint="Delete it to train from the start"
            ) from None
        self._check_same(meta["identity"])
        write_variables(model.variables, _group(arrays, "model"))
        write_variables(model.optimizer.variables, _group(arrays, "optimizer"))
        _set_generators(_group(arrays, "generator"))
        return meta["history"], _group(arrays, "best") or None

    def _check_same(self, saved: Mapping[str, Any]) -> None:
        differs = [key for key in self.identity if saved.get(key) != self.identity[key]]
        if differs:
            key = differs[0]
            raise UserError(
                f"belongs to another training: its {key} is {saved.get(key)!r}, here it is {self.identity[key]!r}",
                path=str(self.file),
                received=self.identity[key],
                hint="Give this training a directory of its own, or delete the file",
            )


def saved_history(directory: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The epochs that a checkpoint in the directory has behind it, without its weights; none where there is no (whole) file."""
    try:
        with np.load(Path(directory) / FILE, allow_pickle=False) as saved:
            return json.loads(str(saved["meta"]))["history"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return []


def read_variables(variables: Sequence[Any]) -> Arrays:
    """The values of Keras variables, as copies."""
    import keras

    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def write_variables(variables: Sequence[Any], values: Arrays) -> None:
    """Assigns values read by `read_variables`."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _generators() -> Arrays:
    """The states of PyTorch's global generators, the processor's first; none under other backends."""
    if chosen() != "torch":
        return []
    import torch

    return [state.numpy().copy() for state in (torch.get_rng_state(), *torch.cuda.get_rng_state_all())]


def _set_generators(states: Arrays) -> None:
    """Puts back what `_generators` read; of a checkpoint from another machine, the generators that are here too."""
    if chosen() != "torch" or not states:
        return
    import torch

    processor, *devices = [torch.from_numpy(state) for state in states]
    torch.set_rng_state(processor)
    for device, state in enumerate(devices[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)


def _group(arrays: Mapping[str, np.ndarray], group: str) -> Arrays:
    return [arrays[f"{group}_{i}"] for i in range(sum(name.startswith(f"{group}_") for name in arrays))]
