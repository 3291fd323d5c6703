"""The language: from near-Keras code to a search space, an architecture, its graph, its cost and its Keras model.

Reading order (each file imports only from those above it):

    application    apply: the one call that operations, choices and tensors share
    choices        oneof, manyof: decisions that refuse Python control flow
    fields         what a field of an operation accepts
    operation      Operation: fields, shape rule, cost rule, Keras call
    rules          shape and cost arithmetic that layers share
    graph          Node, Graph, Net: one architecture as plain data
    layers/        the operations a network is written with
    blocks         operations made of operations
    assemble       a hyper value and a vector of decisions become a Graph
    shapes         which shapes can reach an operation, over the whole space
    tracing        Tensor, Trace: a Python function becomes a hyper value
    building       chain, choose, optional, repeat, block
    naming         names for decisions, after the place they are written in
    units, program, vocabulary, codec, variation, genome   a DNASpec as flat arrays: count, sample, unrank, mutate, cross over
    fingerprint, pricing, keras_model, keras_source, drawing/   what is read off a Graph
    references     how another process finds a space
    architecture, space    the two nouns users hold
    automaton      a whole space at once: every architecture that builds and what it costs, counted exactly
    proof          prove(space): all of it builds, or a smallest counterexample
    budget         within(space, flops=...): the architectures within limits, as a space
"""
