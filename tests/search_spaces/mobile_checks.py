"""What the tests of mobile networks share: counts as others publish them, and comparison with Keras."""


def trained_params(architecture):
    """Parameters without statistics: the moving mean and variance of each batch normalization, and the input's."""
    statistics = 0
    for node in architecture.network.nodes.values():
        if node.call and node.call.layer == "BatchNormalization":
            statistics += 2 * node.shape[-1]
        elif node.call and node.call.layer == "Normalization":
            statistics += node.cost.params
    return architecture.cost().params - statistics


def millions(count):
    """123_456_789 -> 123.5"""
    return round(count / 1e6, 1)


def keras_params(name, **arguments):
    """`keras.applications.name(weights=None, ...).count_params()`"""
    import keras

    keras.backend.clear_session()
    return getattr(keras.applications, name)(weights=None, **arguments).count_params()


def build_smallest(space, n=2, out_of=40):
    """Builds the smallest of some random architectures and compares them with what was counted."""
    import keras

    for architecture in sorted(space.sample(seed=3, n=out_of), key=lambda each: len(each.network))[:n]:
        keras.backend.clear_session()
        model = architecture.build()
        assert model.count_params() == architecture.cost().params
        for layer in model.layers:
            assert tuple(layer.output.shape[1:]) == architecture.network.nodes[layer.name].shape
