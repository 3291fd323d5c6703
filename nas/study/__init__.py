"""The study: a space, a controller and evaluators in a loop whose every step is durable.

    objective    Objective, Constraint: what is wanted and what must hold
    trial        Measurement, Trial: what was found, frozen
    interfaces   Controller, Evaluator, Fidelity: what the packages beside this one provide
    store        the trials on disk (SQLite)
    workers      where evaluators run
    study        Study: the loop, its best trial and its Pareto front
    report       report.html of a study
"""
