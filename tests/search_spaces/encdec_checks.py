"""What every encoder-decoder space has to stand."""

from nas.language.proof import prove


def check_space(space, size, builds=2):
    """Its exact size, the proof, 200 random architectures lowered and priced, a few of them built in Keras."""
    assert space.size == size
    assert prove(space).status == "proved"
    for architecture in space.sample(seed=1, n=200):
        assert architecture.cost().params > 0
    for architecture in space.sample(seed=2, n=builds):
        build_and_compare(architecture)


def build_and_compare(architecture):
    """The Keras model, with the weights and shapes that the graph promises."""
    import keras

    keras.backend.clear_session()
    model = architecture.build()
    assert model.count_params() == architecture.cost().params
    for layer in model.layers:
        assert tuple(layer.output.shape[1:]) == architecture.network.nodes[layer.name].shape
    return model


def trainable(architecture):
    """Parameters without the moving statistics of batch normalization, as PyTorch counts them."""
    nodes = architecture.network.nodes.values()
    normalized = sum(node.shape[-1] for node in nodes if node.call and node.call.layer == "BatchNormalization")
    return architecture.cost().params - 2 * normalized


def layers(architecture, *kinds):
    """The layers of an architecture by class name, in order; only of the given kinds."""
    names = [node.call.layer for node in architecture.network.nodes.values() if node.call]
    return [name for name in names if not kinds or name in kinds]
