"""Small spaces and made-up results for the tests of controllers."""

import functools

import pyglove as pg

import controllers
import nas
from nas import layers as L
from nas.study.trial import Measurement, Trial

TWENTY_FOUR = nas.as_space(
    pg.Dict(a=pg.oneof(["p", "q"]), b=pg.oneof([1, 2, 3]), c=pg.oneof([10, 20, 30, 40])),
    name="twenty_four",
)
ONE_POINT = nas.as_space(pg.Dict(a=pg.oneof(["only"])), name="one_point")
LARGE = nas.as_space(pg.Dict(**{f"d{i}": pg.oneof(list(range(10))) for i in range(20)}), name="large")  # 10^20 points
CONDITIONAL = nas.as_space(
    pg.Dict(
        kind=pg.oneof(
            [
                pg.Dict(conv=pg.oneof([1, 3, 5]), act=pg.oneof(["relu", "swish"])),
                pg.Dict(pool=pg.oneof([pg.Dict(size=pg.oneof([2, 3, 4])), "global"])),
                "none",
            ]
        ),
        width=pg.oneof([8, 16, 32, 64]),
    ),
    name="conditional",
)  # (3 * 2 + 3 + 1 + 1) * 4 = 44 points
MANY = nas.as_space(
    pg.Dict(
        subset=pg.manyof(2, [pg.Dict(k=pg.oneof([1, 2])), "b", "c", "d"], distinct=True, sorted=True),
        order=pg.permutate(["x", "y", "z"]),
        bag=pg.manyof(2, ["u", "v"], distinct=False, sorted=True),
    ),
    name="many",
)  # (3 * 2 + 3) * 6 * 3 = 162 points
CONTINUOUS = nas.as_space(
    pg.Dict(rate=pg.floatv(1e-4, 1e-1, scale="log"), kind=pg.oneof([pg.Dict(share=pg.floatv(0.0, 1.0)), "none"])),
    name="continuous",
)

UNTAUGHT = ("random", "grid")
"""Controllers that do not learn from what they are told."""
UNSEEDED = ("grid",)
"""Controllers whose seed makes no difference in small spaces."""


@functools.cache
def copies():
    """24 points, 4 different networks: three of the decisions' options make no difference."""

    @nas.space(input=(8, 8, 1))
    def network(image):
        L.Conv2D(nas.oneof([1, 2, 3, 4]), 3, name="dead")(image)
        x = L.Conv2D(4, nas.oneof([1, 3]), name="first")(image)
        return nas.choose(L.Identity(), nas.chain(L.Identity(), L.Identity()), L.Activation("relu"), name="act")(x)

    return network


@functools.cache
def fixed():
    """A network without any decision."""

    @nas.space(input=(8, 8, 1))
    def network(image):
        return L.Conv2D(4, 3)(image)

    return network


@functools.cache
def restricted(kind):
    """Spaces of which not all points are allowed: "rules", "few" (listed) or "many" (counted) within a limit on parameters."""

    @nas.space(input=(4, 4, 1), name=kind)
    def network(x):
        width, kernel = nas.tied([1, 2, 3, 4], name="width"), nas.tied([1, 3, 5], name="kernel")
        if kind == "rules":
            nas.require(lambda w, k: w * k <= 6, width, kernel)
        for i in range(7):
            x = L.Conv2D(width if i == 0 else nas.oneof([1, 2, 3, 4]), kernel, name=f"conv{i}")(x)
        return x

    return network if kind == "rules" else network.within(params=100 if kind == "few" else 400)


def make(name, space, seed=0, objectives=None, constraints=(), **settings):
    """A controller ready to be asked; loss is minimized."""
    controller = controllers.get(name, seed, **settings)
    controller.setup(space, objectives or [nas.minimize("loss")], constraints)
    return controller


def loss(architecture):
    """Smallest where every decision takes its first option; decisions have unequal weights."""
    return float(sum((i + 1) * max(v, 0) for i, v in enumerate(architecture.vector.tolist())))


def trial(architecture, number=1, state="completed", **metrics):
    """What a study tells about an architecture; its loss unless other metrics are given."""
    values = metrics or ({} if state == "failed" else {"loss": loss(architecture)})
    found = {name: Measurement(float(value)) for name, value in values.items()}
    return Trial(number, architecture.decisions, architecture.fingerprint, state, found)


def mixed_trial(architecture, number):
    """Of every eight trials: four completed, one each infeasible with and without a measurement, failed, and NaN."""
    match number % 8:
        case 1:
            return trial(architecture, number, "infeasible", latency_ms=7 + number)
        case 3:
            return trial(architecture, number, "infeasible", other=1)
        case 5:
            return trial(architecture, number, "failed")
        case 7:
            return trial(architecture, number, loss=float("nan"))
    return trial(architecture, number)


def play(controller, n, batch=1, first=1):
    """Asks and tells until `n` architectures were proposed or none is left; their decisions."""
    proposed = []
    while len(proposed) < n:
        asked = controller.ask(min(batch, n - len(proposed)))
        if not asked:
            break
        controller.tell([mixed_trial(a, first + len(proposed) + i) for i, a in enumerate(asked)])
        proposed += [a.decisions for a in asked]
    return proposed
