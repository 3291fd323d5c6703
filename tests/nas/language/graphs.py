"""Networks written by hand, for the tests of everything that is read off a graph.

Costs follow the published counts: a convolution has k*k*in*out multiply-adds at each output position (transposed: at each
input position), one multiply-add is two FLOPs, a bias, activation, normalization or sum one to two FLOPs an element.
"""

import math

from nas.language.graph import Graph, Node
from nas.language.operation import KerasCall, OpCost


class Sketch:
    """A graph under construction: each method adds a node and returns its name."""

    def __init__(self):
        self.nodes = {}
        self.inputs = []

    def shape(self, name):
        return self.nodes[name].shape

    def input(self, *shape, name="image"):
        self.nodes[name] = Node(name, name, None, (), shape, OpCost())
        self.inputs.append(name)
        return name

    def add(self, name, call, sources, shape, cost=None, commutative=False):
        sources = (sources,) if isinstance(sources, str) else tuple(sources)
        name = name or f"n{len(self.nodes)}"
        self.nodes[name] = Node(name, name.replace("_", "."), call, sources, shape, cost or OpCost(), commutative)
        return name

    def conv(self, x, filters, kernel=3, strides=1, name=None, **kwargs):
        height, width, channels = self.shape(x)
        shape = (-(-height // strides), -(-width // strides), filters)
        macs = math.prod(shape) * kernel * kernel * channels
        cost = OpCost(macs, 2 * macs + math.prod(shape), (kernel * kernel * channels + 1) * filters)
        call = KerasCall("Conv2D", filters=filters, kernel_size=kernel, strides=strides, padding="same", **kwargs)
        return self.add(name, call, x, shape, cost)

    def transpose(self, x, filters, kernel=3, strides=2, name=None):
        height, width, channels = self.shape(x)
        shape = (height * strides, width * strides, filters)
        macs = height * width * channels * kernel * kernel * filters
        cost = OpCost(macs, 2 * macs + math.prod(shape), (kernel * kernel * channels + 1) * filters)
        call = KerasCall("Conv2DTranspose", filters=filters, kernel_size=kernel, strides=strides, padding="same")
        return self.add(name, call, x, shape, cost)

    def activation(self, x, function="relu", name=None):
        return self.add(name, KerasCall("Activation", activation=function), x, self.shape(x), self._elementwise(x))

    def leaky(self, x, name=None):
        return self.add(name, KerasCall("LeakyReLU", negative_slope=0.2), x, self.shape(x), self._elementwise(x))

    def norm(self, x, name=None):
        cost = OpCost(0, 2 * math.prod(self.shape(x)), 4 * self.shape(x)[-1])
        return self.add(name, KerasCall("BatchNormalization", momentum=0.8), x, self.shape(x), cost)

    def dropout(self, x, rate=0.5, name=None):
        return self.add(name, KerasCall("Dropout", rate=rate), x, self.shape(x))

    def pool(self, x, size=2, name=None):
        height, width, channels = self.shape(x)
        call = KerasCall("MaxPooling2D", pool_size=[size, size])
        return self.add(name, call, x, (height // size, width // size, channels), self._elementwise(x))

    def upsample(self, x, size=2, name=None):
        height, width, channels = self.shape(x)
        call = KerasCall("UpSampling2D", size=size, interpolation="bilinear")
        return self.add(name, call, x, (height * size, width * size, channels))

    def dense(self, x, units, name=None):
        (width,) = self.shape(x)
        cost = OpCost(width * units, 2 * width * units + units, (width + 1) * units)
        return self.add(name, KerasCall("Dense", units=units), x, (units,), cost)

    def sum(self, *xs, name=None):
        cost = OpCost(0, (len(xs) - 1) * math.prod(self.shape(xs[0])), 0)
        return self.add(name, KerasCall("Add"), xs, self.shape(xs[0]), cost, commutative=True)

    def concat(self, *xs, name=None):
        shape = (*self.shape(xs[0])[:-1], sum(self.shape(x)[-1] for x in xs))
        return self.add(name, KerasCall("Concatenate", axis=-1), xs, shape)

    def graph(self, *outputs):
        return Graph(self.nodes, self.inputs, outputs)

    def _elementwise(self, x):
        return OpCost(0, math.prod(self.shape(x)), 0)


def book_network():
    """The encoder-decoder of the book, 80x80 gray to colour: 1,106,755 parameters."""
    net = Sketch()
    x = net.input(80, 80, 1, name="gray")
    for i, filters in enumerate((32, 64, 128)):
        x = net.norm(net.leaky(net.conv(x, filters, strides=2, name=f"enc{i}"), name=f"enc{i}_act"), name=f"enc{i}_norm")
    x = net.leaky(net.conv(x, 256, kernel=1, strides=2, name="bottleneck"), name="bottleneck_act")
    x = net.dropout(x, name="bottleneck_drop")
    for i, filters in enumerate((256, 128, 64, 32)):
        x = net.activation(net.transpose(x, filters, name=f"dec{i}"), name=f"dec{i}_act")
        x = net.norm(x, name=f"dec{i}_norm")
    x = net.activation(net.conv(x, 3, name="rgb"), "tanh", name="rgb_tanh")
    return net.graph(x)


def unet(widths=(16, 32, 64), bottleneck=128, convs=2, size=64):
    """A U-Net with concatenated skips (Ronneberger et al. 2015), `convs` convolutions a level."""
    net = Sketch()
    x, skips = net.input(size, size, 1), []
    for i, width in enumerate(widths):
        for k in range(convs):
            x = net.activation(
                net.norm(net.conv(x, width, name=f"enc{i}_conv{k}"), name=f"enc{i}_norm{k}"), name=f"enc{i}_relu{k}"
            )
        skips.append(x)
        x = net.pool(x, name=f"down{i}")
    for k in range(convs):
        x = net.activation(net.conv(x, bottleneck, name=f"mid_conv{k}"), name=f"mid_relu{k}")
    for i, width in reversed(list(enumerate(widths))):
        x = net.transpose(x, width, kernel=2, name=f"up{i}")
        x = net.concat(x, skips[i], name=f"skip{i}")
        for k in range(convs):
            x = net.activation(net.conv(x, width, name=f"dec{i}_conv{k}"), name=f"dec{i}_relu{k}")
    return net.graph(net.conv(x, 3, kernel=1, name="mask", activation="sigmoid"))


def tower(depth=100, channels=8, size=8):
    """A plain chain of `depth` nodes: convolution, normalization, activation, again and again."""
    net = Sketch()
    x = net.input(size, size, channels)
    while len(net.nodes) < depth:
        step = (len(net.nodes) - 1) % 3
        x = net.conv(x, channels) if step == 0 else net.norm(x) if step == 1 else net.activation(x)
    return net.graph(x)
