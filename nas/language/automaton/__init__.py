"""A whole space as a weighted automaton: proved, counted by cost, and sampled, however many architectures it has.

Reading order (each file imports only from those above it):

    forms         which slots belong to a value, and the decided forms of small values
    terms         a space taken apart: plans, choices and leaves
    library       what each decided layer makes of the shapes it is applied to, worked out once
    circuit       sums and products: very many points, written down once
    elimination   from relations between the parts of a network to one circuit
    relations     what can come out of a part of a network, and by which decisions
    network       the circuit of a whole network, tied operations included
    compiler      compile_space(space) -> Automaton
    folds         the cheapest points, and circuits cut down to a limit
    tally         exact counts of points by cost
    draws         uniform draws from a tally
    tilting       several limits as one
    batch         prices of many points at once
    tape, keys    which of many points are the same network

`nas.language.proof` and `nas.language.budget` are made of these.
"""

from nas.language.automaton.compiler import Automaton, compile_space
from nas.language.automaton.forms import TooEntangled

__all__ = ["Automaton", "TooEntangled", "compile_space"]
