"""The fingerprint of an architecture: equal for networks that compute the same family of functions, whoever wrote them how.

It is the key under which a study remembers results, so that nothing is trained twice. It is the hash of a canonical form in
two steps, and it reads Keras calls only, never names, so it is the same in every process and on every machine.

Rewriting. What does not change the function goes:

- nodes that no output needs (unused inputs stay: they belong to the network's signature);
- the order of the inputs of commutative operations;
- nesting of sums and of products, with multiplicity: Add(Add(a, b), c), Add(c, Add(b, a)) and Add(a, b, c) are one (up to
  rounding), an inner sum that something else reads stays beside the outer one;
- equal stateless operations on equal inputs: they are one node. Operations with weights or with randomness of their own are
  kept apart: two equal convolutions of one tensor are two sets of weights, one convolution read twice is one;
- what zeros are made from, where the number zero is needed. (Zeros in sums, what only they reach, and identities never become
  nodes: see `nas.language.zeros`.)

Canonical form. What remains is a directed acyclic graph with labelled nodes and edges; two networks have equal fingerprints
exactly when their rewritten graphs are isomorphic, inputs and outputs in order (as long as BLAKE2b at 128 bits does not
collide). A hash of each node over everything above it nearly always tells all nodes apart, and then the hash of the outputs
is the answer. Where equal nodes with weights stand side by side, colours are refined downward and upward until stable, parts
that are connected through tied nodes only are treated one by one, and in a part that refinement cannot split one node after
the other is singled out and the smallest result kept (McKay & Piperno 2014, Practical graph isomorphism, II).
Such parts must be built on purpose; only there the time can grow exponentially.

Not rewritten: identities of particular layers, such as a convolution with `activation="relu"` against one followed by a ReLU.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from nas.language.graph import Graph, Node
from nas.language.zeros import ZERO_STAYS_ZERO, is_zero_call

ASSOCIATIVE = frozenset({"Add", "Multiply"})
_RANDOM = ("Dropout", "Noise", "Random", "RandAugment", "AugMix", "CutMix", "MixUp")  # parts of the names of random layers


def fingerprint(graph: Graph) -> str:
    """32 hexadecimal digits; equal exactly for networks that are isomorphic after the rewriting that the module describes."""
    network = _rewrite(graph)
    colours: list[str] = []
    for vertex in network:
        colours.append(_hash(vertex.label, vertex.arguments(colours)))
    if len(set(colours)) == len(colours):  # nothing is tied: the outputs' hashes say it all
        signature = [vertex.label for vertex in network if not vertex.sources]
        outputs = sorted((place, colour) for vertex, colour in zip(network, colours, strict=True) for place in vertex.outputs)
        return _hash("network", *sorted(signature), *(colour for _, colour in outputs))
    return _hash("tied network", _canonical(network, range(len(network)), colours))


class _Vertex:
    """A node of the rewritten graph.

    Attributes:
        label: the operation.
        sources: number of each vertex it reads -> at which positions, or how often where the order does not matter.
        outputs: at which places of the network's outputs it stands.
        readers: number of each vertex that reads it, and how.
    """

    __slots__ = ("label", "outputs", "readers", "sources")

    def __init__(self, label: str, sources: dict[int, str]):
        self.label = label
        self.sources = sources
        self.outputs: list[int] = []
        self.readers: list[tuple[int, str]] = []

    def arguments(self, colours: Sequence[str]) -> str:
        """What it reads, with the order of arguments where it matters."""
        if len(self.sources) == 1:
            ((source, ports),) = self.sources.items()
            return f"{ports} {colours[source]}"
        return ",".join(sorted([f"{ports} {colours[source]}" for source, ports in self.sources.items()]))


# -- rewriting ---------------------------------------------------------------------------------------------------------------


def _rewrite(graph: Graph) -> list[_Vertex]:
    """The graph in normal form, in topological order: each vertex comes after those it reads."""
    vertices: list[_Vertex] = []
    terms: dict[int, Counter[int]] = {}  # of each sum or product: what it adds, how often
    number: dict[str, int] = {}  # of the vertex that stands for a node
    known: dict[tuple, int] = {}  # stateless operations seen
    zeros: set[int] = set()  # vertices that are the constant zero
    place = {name: k for k, name in enumerate(graph.inputs)}
    for name, node in graph.nodes.items():
        if node.call is None:
            number[name] = len(vertices)
            vertices.append(_Vertex(f"input {place[name]} {list(node.shape)}", {}))
            continue
        key, layer = node.call.key, node.call.layer
        arguments = [number[source] for source in node.inputs]
        if is_zero_call(node.call) or (layer in ZERO_STAYS_ZERO and arguments[0] in zeros):
            constant = f"zeros {list(node.shape)}"
            if (constant,) not in known:
                known[constant,] = len(vertices)
                vertices.append(_Vertex(constant, {}))
            number[name] = known[constant,]
            zeros.add(number[name])
            continue
        added: Counter[int] | None = None
        if layer in ASSOCIATIVE:
            added = Counter()
            for source in arguments:
                if source in terms and vertices[source].label == key:
                    added.update(terms[source])
                else:
                    added[source] += 1
            sources = {source: f"*{count}" for source, count in sorted(added.items())}
        elif node.commutative:
            sources = {source: f"*{count}" for source, count in sorted(Counter(arguments).items())}
        elif len(arguments) == 1:
            sources = {arguments[0]: "0"}
        else:
            sources = {}
            for position, source in enumerate(arguments):
                sources[source] = f"{sources[source]}+{position}" if source in sources else f"{position}"
        if is_pure(node):
            identity = (key, *sources.items())
            if identity in known:
                number[name] = known[identity]
                continue
            known[identity] = len(vertices)
        if added is not None:
            terms[len(vertices)] = added
        number[name] = len(vertices)
        vertices.append(_Vertex(key, sources))
    for k, name in enumerate(graph.outputs):
        vertices[number[name]].outputs.append(k)
    return _live(vertices)


def is_pure(node: Node) -> bool:
    """Equal inputs give equal outputs: no weights, no random numbers of its own."""
    if node.cost.params or node.call is None:
        return False
    layer = node.call.layer
    return not any(word in layer for word in _RANDOM) and not node.call.kwargs.get("dropout")


def _live(vertices: list[_Vertex]) -> list[_Vertex]:
    """Without what no output needs (rewriting leaves inner sums behind), renumbered, readers filled in."""
    needed = [bool(vertex.outputs) or vertex.label.startswith("input ") for vertex in vertices]
    for k in range(len(vertices) - 1, -1, -1):
        if needed[k]:
            for source in vertices[k].sources:
                needed[source] = True
    if not all(needed):
        new = {old: k for k, old in enumerate(k for k, wanted in enumerate(needed) if wanted)}
        vertices = [vertices[old] for old in new]
        for vertex in vertices:
            vertex.sources = {new[source]: ports for source, ports in vertex.sources.items()}
    for k, vertex in enumerate(vertices):
        for source, ports in vertex.sources.items():
            vertices[source].readers.append((k, ports))
    return vertices


# -- canonical form ----------------------------------------------------------------------------------------------------------


def _canonical(network: list[_Vertex], part: Iterable[int], colours: Sequence[str], greedy: bool = False) -> str:
    """A hash of the coloured subgraph on `part`: equal exactly for isomorphic ones.

    Colours must already say how each vertex of the part is connected to the rest of the network.
    With `greedy` only one vertex is singled out where refinement gets stuck: equal hashes then still mean isomorphic parts,
    but isomorphic parts may get different ones.
    """
    part = sorted(part)  # numbers are in topological order
    colours = _refine(network, part, colours)
    count = Counter(colours[v] for v in part)
    tied = [v for v in part if count[colours[v]] > 1]
    # In a stable colouring a vertex with a colour of its own is connected to all vertices of another colour in the same way,
    # so its edges are known from the colours. Only edges between tied vertices remain, and they fall into components.
    components = _components(network, tied)
    if len(tied) < len(part) or len(components) > 1:
        alone = sorted(colours[v] for v in part if count[colours[v]] == 1)
        return _hash(*alone, "parts", *sorted(_canonical(network, c, colours, greedy) for c in components))
    cell_colour = min(count, key=lambda colour: (count[colour], colour))
    cell = [v for v in part if colours[v] == cell_colour]
    if greedy:
        return _canonical(network, part, _single_out(colours, cell[0]), greedy=True)
    different: dict[str, int] = {}  # vertices with equal greedy hashes are images of each other: one of them is enough
    for v in cell:
        different.setdefault(_canonical(network, part, _single_out(colours, v), greedy=True), v)
    return min(_canonical(network, part, _single_out(colours, v)) for v in different.values())


def _refine(network: list[_Vertex], part: Sequence[int], colours: Sequence[str]) -> list[str]:
    """The coarsest stable refinement: vertices of one colour read, and are read by, the same colours in the same way.

    Each round passes once from the inputs to the outputs and once back, over edges within `part`.
    """
    refined = list(colours)
    inside = set(part)
    classes = len({refined[v] for v in part})
    while True:
        for v in part:
            read = sorted(f"{ports} {refined[u]}" for u, ports in network[v].sources.items() if u in inside)
            refined[v] = _hash(refined[v], "reads", *read)
        for v in reversed(part):
            readers = sorted(f"{ports} {refined[u]}" for u, ports in network[v].readers if u in inside)
            refined[v] = _hash(refined[v], f"outputs {network[v].outputs}", *readers)
        before, classes = classes, len({refined[v] for v in part})
        if classes == before:
            return refined


def _components(network: list[_Vertex], part: Sequence[int]) -> list[list[int]]:
    """The connected components of the subgraph on `part`."""
    left = set(part)
    components = []
    while left:
        component = [left.pop()]
        for v in component:  # grows while it is read
            for u in [*network[v].sources, *(reader for reader, _ in network[v].readers)]:
                if u in left:
                    left.remove(u)
                    component.append(u)
        components.append(component)
    return components


def _single_out(colours: Sequence[str], v: int) -> list[str]:
    marked = list(colours)
    marked[v] = _hash(marked[v], "singled out")
    return marked


def _hash(*words: str) -> str:
    return hashlib.blake2b("\n".join(words).encode(), digest_size=16).hexdigest()
