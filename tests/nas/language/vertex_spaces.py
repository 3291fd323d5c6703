"""Plain PyGlove spaces as people have them: old aliases, classes, functors, conditionals, no names."""

import pyglove as pg


@pg.members(
    [
        ("op", pg.typing.Str()),
        ("kernel", pg.typing.Int()),
        ("expand", pg.typing.Int()),
        ("se", pg.typing.Float()),
        ("filters", pg.typing.Float()),
        ("skip", pg.typing.Bool()),
    ]
)
class Layer(pg.Object):
    """A layer of the MnasNet kind."""


def layer():
    return Layer(
        op=pg.one_of(["conv", "dwise", "mbconv"]),
        kernel=pg.one_of([3, 5]),
        expand=pg.one_of([1, 3, 6]),
        se=pg.one_of([0.0, 0.25]),
        filters=pg.one_of([0.75, 1.0, 1.25]),
        skip=pg.one_of([True, False]),
    )


def mnasnet(blocks=7):
    """Seven blocks; a plain convolution ignores expansion and squeeze-excite."""
    return pg.Dict(blocks=pg.List([pg.Dict(layer=layer(), repeats=pg.one_of([1, 2, 3, 4])) for _ in range(blocks)]))


def read_layer(value):
    """What its builder reads of it."""
    facts = [value.op, value.kernel, value.filters, value.skip]
    return facts + ([] if value.op == "conv" else [value.expand, value.se])


def read_mnasnet(value):
    return [[read_layer(block.layer), block.repeats] for block in value.blocks]


@pg.symbolize
def scale(size, level, mode="nearest"):
    return size * 2**level


def spinenet(blocks=7):
    """Scale-permuted blocks, each with two of the blocks before it; with seven more than 10^38 points."""
    nodes = []
    for i in range(blocks):
        nodes.append(
            pg.Dict(
                level=pg.one_of([2, 3, 4, 5, 6]),
                resize=scale(size=pg.one_of([32, 64]), level=pg.one_of([1, 2])),
                parents=pg.sublist_of(2, list(range(max(2, i + 2))), choices_distinct=True, choices_sorted=True),
                ops=pg.sublist_of(
                    4,
                    [pg.Dict(kind="residual", width=pg.one_of([64, 128])), pg.Dict(kind="bottleneck"), "identity"],
                    choices_distinct=False,
                ),
                attention=pg.one_of([None, pg.Dict(heads=pg.one_of([1, 2, 4]))]),
            )
        )
    return pg.Dict(nodes=pg.List(nodes), order=pg.permutate(list(range(8))))
