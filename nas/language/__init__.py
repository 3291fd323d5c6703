"""The language: from near-Keras code to a search space, an architecture, its graph, its cost and its Keras model.

Reading order (each file imports only from those above it):

    choices        oneof, manyof: decisions that refuse Python control flow
    operation      Operation: fields, shape rule, cost rule, Keras call
    graph          Node, Graph, Net: one architecture as plain data
    layers         the operations a network is written with
    blocks         chain, choose, optional, repeat, block
    tracing        Tensor, Trace: a Python function becomes a hyper value
    shapes         which shapes can reach an operation, over the whole space
    genome         a DNASpec as flat arrays: count, sample, unrank, mutate, cross over
    assemble       a hyper value and a vector of decisions become a Graph
    fingerprint, pricing, keras_model, keras_source, drawing   what is read off a Graph
    architecture, space    the two nouns users hold
"""
