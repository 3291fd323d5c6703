"""Mirrored networks: an encoder that goes down a pyramid of grids, and the decoder that walks back up beside it.

    levels = nas.encoder(stage, widths=(32, 64, 128))(image)      # features of every level, finest first
    x = nas.decoder(up="bilinear", skip=oneof(["concat", "add", "none"]))(levels)

The decoder takes the number of levels, their widths and the stage from the encoder. Nothing here is a new kind of operation:
both apply layers, choices and blocks, as one would by hand (Ronneberger et al. 2015, U-Net; Lin et al. 2017, FPN). They work
for steps, images and volumes.

What is decided once and what level by level follows from what is passed in: a choice is copied to every level, which then
decides for itself; what `nas.tied` returns is one decision for all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from nas.errors import ShapeError, SpaceError
from nas.language.application import apply
from nas.language.building import as_operation, block
from nas.language.choices import OneOf
from nas.language.layers import Downsample, MatchGrid, Merge, Upsample
from nas.language.levels import Level, check_stage, copied, grid_of, is_mode, operation_at, run, stage_at, step_name
from nas.language.tracing import Tensor
from nas.language.tying import Same

Fit = Literal["exact", "match", "crop"]


def encoder(
    stage: Callable[..., Any], widths: Sequence[Any], *, down: Any = "max", at_least: int | None = None, name: str | None = None
) -> Encoder:
    """Stages of layers on ever coarser grids. Apply it to a tensor; it returns the features of every level.

    Args:
        stage: `stage(width)`, or `stage(width, level)`, returns what a level consists of: an operation, a list, a function of
            tensors, or None.
        widths: one entry for each level, finest first: numbers, choices, or what `nas.tied` returned.
        down: how a level is reached from the one above: a mode of `L.Downsample` or a choice of modes; an operation or a choice
            of operations; or a function of the `Level` it leads to, `lambda level: L.Conv2D(level.width, 3, strides=2)`.
        at_least: the fewest levels; whether there are more is decided. None: all of them, always.
        name: begins the names of its steps, for functions with several encoders.

    Its steps are called `enc0`, `down1`, `enc1`, ...; `level3` is the decision whether there is a level 3, and all below it.

    Example:
        >>> import nas
        >>> from nas import layers as L
        >>> @nas.space(input=(64, 64, 3))
        ... def hourglass(image):
        ...     levels = nas.encoder(lambda width: L.Conv2D(width, 3, activation="relu"), (8, 16, 32), at_least=2)(image)
        ...     return L.Conv2D(1, 1)(nas.decoder(skip=nas.oneof(["add", "none"]))(levels))
        >>> hourglass.size  # level 2 or not, and a skip for each level that is left
        6
    """
    path = name or "encoder"
    if isinstance(widths, int | str) or not isinstance(widths, Sequence) or not widths:
        raise SpaceError(
            f"widths {widths!r}", path=path, received=widths, expected="one width for each level, such as (32, 64)"
        )
    check_stage(stage, path)
    least = len(widths) if at_least is None else at_least
    if not 1 <= least <= len(widths):
        raise SpaceError(f"at_least={least!r}", path=path, received=least, expected=f"1 to {len(widths)}, the number of widths")
    return Encoder(stage, tuple(widths), down, least, name)


def decoder(
    stage: Callable[..., Any] | None = None,
    *,
    up: Any = "nearest",
    skip: Any = "concat",
    fit: Fit = "exact",
    widths: Sequence[Any] | None = None,
    bottom: Any = None,
    name: str | None = None,
) -> Decoder:
    """The way back up a pyramid. Apply it to what an encoder returned; it returns a tensor on the finest grid.

    Args:
        stage: as in `nas.encoder`; None: the encoder's own. `lambda width: None` is no stage.
        up: how a level is reached from the one below: a mode of `L.Upsample` or a choice of modes, whose convolutions make the
            level's width (as many channels as come in, where the width is a choice that is not tied); an operation or a choice;
            or a function of the `Level` it leads to.
        skip: how the encoder's features join: a mode of `L.Merge` ("concat", "add", "none", ...) or a choice of modes; an
            operation of (features from below, encoder's features); a function of the `Level`; or None, no skip.
        fit: what happens where grids differ. "exact": an error. "match": the features from below are cropped, or padded with
            zeros, to the encoder's grid: any input size will do, and comes back. "crop": the larger of both is cropped to the
            smaller (unpadded convolutions, Ronneberger et al. 2015).
        widths: for each level but the deepest, finest first; None: the encoder's.
        bottom: an operation for the features of the deepest level, before the way up.
        name: begins the names of its steps.

    Its steps are called `up0`, `skip0`, `dec0` for level 0, and so on.
    """
    if fit not in ("exact", "match", "crop"):
        raise SpaceError(f"{fit!r} is not an option", path=name or "decoder.fit", received=fit, expected="exact, match or crop")
    if stage is not None:
        check_stage(stage, name or "decoder")
    return Decoder(stage, up, skip, fit, None if widths is None else tuple(widths), bottom, name)


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Made by `nas.encoder`."""

    stage: Callable[..., Any]
    widths: tuple[Any, ...]
    down: Any
    at_least: int
    name: str | None

    @property
    def depth(self) -> int:
        """The most levels."""
        return len(self.widths)

    def __call__(self, x: Tensor) -> Pyramid:
        certain: list[Tensor] = []
        grids: list[_Grids] = []
        for i in range(self.at_least):
            entered = self.enter(i, x)
            left = self.run_stage(i, entered)
            grids.append(_Grids(grid_of(x), grid_of(entered), grid_of(left)))
            certain.append(left)
            x = left
        return Pyramid(self, certain, grids)

    def enter(self, index: int, x: Tensor) -> Tensor:
        """From the level above to this one; level 0 takes the input as it is."""
        if index == 0:
            return x
        level = Level(index, self.widths[index])
        down = Downsample(2, copied(self.down)) if is_mode(self.down) else operation_at(self.down, level)
        return run(down, (x,), self.named("down", index))

    def run_stage(self, index: int, x: Tensor) -> Tensor:
        return run(stage_at(self.stage, Level(index, self.widths[index])), (x,), self.named("enc", index))

    def further(self, index: int, back: Callable[[int, Tensor, Tensor], Tensor], bottom: Any = None) -> Any:
        """The decision whether there is this level, with the decision about the next one inside.

        Args:
            index: of the level.
            back: from (index, features of the level above, features from here) to what is made of them.
            bottom: the operation for the deepest level.
        """

        def inner(x: Tensor) -> Tensor:
            y = self.run_stage(index, self.enter(index, x))
            if index + 1 < self.depth:
                y = apply(self.further(index + 1, back, bottom), (y,), self.named("level", index + 1))
            else:
                y = run(as_operation(copied(bottom)), (y,), self.named("bottom"))
            return back(index, x, y)

        return OneOf(candidates=[as_operation(copied(bottom)), block(inner)], option_labels=[False, True])

    def named(self, kind: str, index: int | str = "") -> str:
        return step_name(self.name, kind, index)


class _Grids(NamedTuple):
    """Grids before a way down, after it, and after the stage; None: not known."""

    above: tuple[int, ...] | None
    entered: tuple[int, ...] | None
    left: tuple[int, ...] | None


class Pyramid(Sequence[Tensor]):
    """Features of every level, finest first: `levels[0]`, `levels[-1]`, `for x in levels`.

    Attributes:
        encoder: what made it.
        certain: the features of the levels that every architecture has.
    """

    def __init__(self, encoder: Encoder, certain: Sequence[Tensor], grids: Sequence[_Grids]):
        self.encoder = encoder
        self.certain = tuple(certain)
        self._grids = grids

    @property
    def deepest(self) -> Tensor:
        """The coarsest features, of whichever level is the last: the code of an autoencoder, what a classifier pools."""
        first = len(self.certain)
        if first == self.encoder.depth:
            return self.certain[-1]
        return apply(self.encoder.further(first, lambda _, x, y: y), self.certain[-1:], self.encoder.named("level", first))

    def __getitem__(self, index: Any) -> Any:
        wanted = range(self.encoder.depth)[index]
        last = max(wanted, default=0) if isinstance(wanted, range) else wanted
        if last >= len(self.certain):
            raise SpaceError(
                f"not every architecture has level {last}",
                path=self.encoder.named("level", last),
                received=last,
                expected=f"0 to {len(self.certain) - 1}",
                hint="nas.decoder(...)(levels) and levels.deepest follow the decision",
            )
        return self.certain[index]

    def __len__(self) -> int:
        return self.encoder.depth

    def advice(self) -> str:
        """What to do where grids do not meet: the input sizes that every way down divides, if that is all there is to it."""
        fit = 'fit="match" or fit="crop"'
        strides = []
        for above, entered, left in self._grids:
            if above is None or entered is None or left != entered:
                return f"Set {fit}"
            strides.append(tuple(-(-n // m) for n, m in zip(above, entered, strict=True)))
        strides += strides[-1:] * (self.encoder.depth - len(self.certain))  # levels that are optional go on like the last
        tile = tuple(math.prod(along) for along in zip(*strides, strict=True))
        size = self._grids[0].above or ()
        below = tuple(max(n // k, 1) * k for n, k in zip(size, tile, strict=True))
        above = tuple(-(-n // k) * k for n, k in zip(size, tile, strict=True))
        nearest = sorted({below, above})
        return f"Use inputs of {' or '.join(map(str, nearest))}, multiples of {tile}, or set {fit}"


@dataclasses.dataclass(frozen=True)
class Decoder:
    """Made by `nas.decoder`."""

    stage: Callable[..., Any] | None
    up: Any
    skip: Any
    fit: Fit
    widths: tuple[Any, ...] | None
    bottom: Any
    name: str | None

    def __call__(self, levels: Pyramid) -> Tensor:
        return self.every_level(levels)[0]

    def every_level(self, levels: Pyramid) -> Sequence[Tensor]:
        """Decoded features of every certain level, finest first: for heads at several scales (FPN, deep supervision)."""
        if not isinstance(levels, Pyramid):
            raise SpaceError(
                f"applied to {type(levels).__name__}",
                path=self.name or "decoder",
                received=levels,
                expected="what an encoder returned",
                hint="Write nas.decoder(...)(nas.encoder(...)(x))",
            )
        mirrored = levels.encoder
        widths = mirrored.widths[:-1] if self.widths is None else self.widths
        if len(widths) != len(levels) - 1:
            raise SpaceError(
                f"{len(widths)} widths for the way up {len(levels)} levels",
                path=self.name or "decoder",
                received=widths,
                expected=f"{len(levels) - 1}, finest first",
            )

        def back(index: int, skip: Tensor, y: Tensor) -> Tensor:
            """From the level of this index to the one above it."""
            return self._rise(Level(index - 1, widths[index - 1]), self.stage or mirrored.stage, y, skip)

        first = len(levels.certain)
        x = levels.certain[-1]
        with _advised(levels):
            if first < len(levels):
                x = apply(mirrored.further(first, back, self.bottom), (x,), self._named("level", first))
            else:
                x = run(as_operation(copied(self.bottom)), (x,), self._named("bottom"))
            decoded = [x]
            for index in reversed(range(1, first)):
                decoded.insert(0, back(index, levels.certain[index - 1], decoded[0]))
        return decoded

    def _rise(self, level: Level, stage: Callable[..., Any], x: Tensor, skip: Tensor) -> Tensor:
        i = level.index
        if is_mode(self.up):
            filters = level.width if isinstance(level.width, int | Same) else None
            up = Upsample(2, copied(self.up), filters)
        else:
            up = operation_at(self.up, level)
        x = run(up, (x,), self._named("up", i))
        if self.fit != "exact":
            x = apply(MatchGrid("crop" if self.fit == "crop" else "both"), (x, skip), self._named("fit", i))
        if self.skip is not None:
            if self.fit == "crop":
                skip = apply(MatchGrid("crop"), (skip, x), self._named("crop", i))
            merge = Merge(copied(self.skip), project=True) if is_mode(self.skip) else operation_at(self.skip, level)
            x = run(merge, (x, skip), self._named("skip", i))
        return run(stage_at(stage, level), (x,), self._named("dec", i))

    def _named(self, kind: str, index: int | str = "") -> str:
        return step_name(self.name, kind, index)


@contextlib.contextmanager
def _advised(levels: Pyramid) -> Iterator[None]:
    """Where grids do not meet, the error says which inputs would do."""
    try:
        yield
    except ShapeError as error:
        if not error.expected.endswith((", any)", "equal grids")):  # it is about something else
            raise
        raise ShapeError(
            error.problem, path=error.path, received=error.received, expected=error.expected, hint=levels.advice()
        ) from None
