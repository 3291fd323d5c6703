"""A search space as PyGlove users have it, searched unchanged: no names, conditionals, old aliases."""

import pyglove as pg

import controllers
import nas


def space():
    """A convolution or a pooling at each of four places, and an optimizer with a rate of its own."""
    op = pg.one_of([pg.Dict(kind="conv", kernel=pg.one_of([1, 3, 5])), pg.Dict(kind="pool", size=pg.one_of([2, 3]))])
    return pg.Dict(
        ops=pg.List([op.clone(deep=True) for _ in range(4)]),
        train=pg.one_of([pg.Dict(name="adam", rate=pg.one_of([1e-3, 1e-4])), pg.Dict(name="sgd", rate=pg.one_of([0.1, 0.01]))]),
    )


def score(architecture):
    """What a user would put here: build and train. Here: prefer large kernels and SGD."""
    value = architecture.value()
    kernels = sum(op.get("kernel", 0) for op in value.ops)
    return {"score": kernels + (value.train.name == "sgd")}


plain = nas.as_space(space)
print(f"{plain.size} points, for example {plain.sample(seed=1).decisions}")

for controller in (controllers.Random(seed=0), controllers.RegularizedEvolution(seed=0), controllers.Reinforce(seed=0)):
    study = nas.Study(plain, controller, score, objectives=[nas.maximize("score")])
    study.run(trials=60)
    print(f"{controller.name:10} best {study.best().value('score')} of at most 21")
