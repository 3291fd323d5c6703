"""The language: from near-Keras code to a search space, an architecture, its graph, its cost and its Keras model.

Reading order (each file imports only from those above it):

    application    apply: the one call that operations, choices and tensors share
    wording        how values are shown in errors
    choices        oneof, manyof, integer, real: decisions that refuse Python control flow
    fields         what a field of an operation accepts
    operation      Operation: fields, shape rule, cost rule, Keras call
    tying          one decision for many places
    rules          shape and cost arithmetic that layers share
    zeros          what becomes of operations that read zeros
    graph          Node, Graph, Net: one architecture as plain data
    layers/        the operations a network is written with
    blocks         operations made of operations
    assemble       a hyper value and a vector of decisions become a Graph
    shapes         which shapes can reach an operation, over the whole space
    tracing        Tensor, Trace: a Python function becomes a hyper value
    building       chain, choose, optional, repeat, block, branches, connect, tied, require
    levels, mirror encoder, decoder: networks that go down and back up
    naming         names for decisions, after the place they are written in
    units, requirements, program, vocabulary, codec, variation, genome   a DNASpec as flat arrays: count, sample, unrank, vary
    feasible_genome    the same for the points that rules and limits leave
    parts, values  from points to PyGlove values
    fingerprint, pricing, keras_model, keras_source, drawing/   what is read off a Graph
    automaton      a whole space at once: every architecture that builds and what it costs, counted exactly
    costing, selection, summaries, budget   the architectures within limits: how many, draws, extremes, histograms
    proof          all of a space builds, or a smallest counterexample
    architecture, baselines, space    the nouns users hold
    references     how another process finds a space
    defining       where spaces come from: @nas.space, @nas.family, as_space, load_space
    moves, varieties, copies, drawn_copies, duplicates   which points are the same network
"""
