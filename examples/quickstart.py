"""The language in two minutes: define a space, know what it is, search it by arithmetic alone. Trains nothing."""

import controllers
import evaluators
import nas
from nas import layers as L
from nas import oneof


@nas.space(input=(96, 128, 3))
def segmenter(image):
    """A small U-Net for 11 classes."""
    x, skips = image, []
    for i, width in enumerate((16, 32, 64)):
        body = nas.chain(L.Conv2D(oneof([width, 2 * width]), oneof([3, 5])), L.BatchNormalization(), L.ReLU())
        x = nas.repeat(body, 1, 2, name=f"enc{i}")(x)
        skips.append(x)
        x = nas.choose(L.Conv2D(width, 3, strides=2), L.MaxPooling2D(2), name=f"down{i}")(x)
    for i, skip in reversed(list(enumerate(skips))):
        x = L.Upsample(2, oneof(["nearest", "bilinear", "transpose"]), name=f"up{i}")(x)
        x = L.Merge(oneof(["add", "concat", "none"]), project=True, name=f"skip{i}")(x, skip)
        x = nas.optional(L.SeparableConv2D(16 << i, 3, activation="relu"), name=f"dec{i}")(x)
    return L.Conv2D(11, 1, activation="softmax", name="classes")(x)


print(f"{segmenter.size:,} architectures, all of which build: {not segmenter.doubts}")

architecture = segmenter.sample(seed=0)
print(architecture.decisions)
print(architecture.cost())


def roomy(architecture):
    """A made-up goal that needs no training: many parameters."""
    return {"capacity": architecture.cost().params ** 0.5}


study = nas.Study(
    segmenter,
    controllers.RegularizedEvolution(seed=0),
    [evaluators.Cost(), roomy],
    objectives=[nas.maximize("capacity")],
    constraints=[nas.at_most("flops", 1e9)],
)
print(study.run(trials=200))
best = study.best()
print(f"best of 200 under 1 GFLOP: {best.value('capacity') ** 2:,.0f} parameters, {best.value('flops') / 1e6:.0f} MFLOPs")
print(study.architecture(best).source()[:400], "...")
