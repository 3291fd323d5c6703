"""Several fidelities: many architectures are judged briefly, and the promising ones thoroughly.

    ASHA               whoever is among the best of those judged so far goes on at once (Li et al. 2020): the first choice
    SuccessiveHalving  rounds: judge all, keep the best third, train them three times as long (Jamieson & Talwalkar 2016)
    Hyperband          rounds that start at different fidelities (Li et al. 2018): where short trainings may mislead
    MedianStopping     every training runs at the full fidelity, but ends when it falls behind (Golovin et al. 2017)

    multi_fidelity     what the first three share: a layer over any controller, with a schedule as a part

A study tells trials of one architecture apart by `Trial.fidelity`, and continues the training of `Trial.parent`.
"""

from controllers.fidelity.asha import ASHA
from controllers.fidelity.halving import Hyperband, SuccessiveHalving
from controllers.fidelity.median import MedianStopping

__all__ = ["ASHA", "LAYERS", "Hyperband", "MedianStopping", "SuccessiveHalving"]

LAYERS = tuple(cls.name for cls in (ASHA, SuccessiveHalving, Hyperband, MedianStopping))
