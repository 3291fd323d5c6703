"""The study: a space, a controller and evaluators in a loop whose every step is durable.

objective     Objective, Constraint: what is wanted and what must hold
trial         Measurement, Trial: what was found, frozen
interfaces    Controller, Evaluator, Fidelity: what the packages beside this one provide
database      one SQLite file that is written by one process
directory     where a study lives, and the lock on it
store         trials, journal, snapshots and stages in that file
ledger        what the controller was asked and told, replayed on resume
evaluation    the chain of evaluators, cheap gates first
identity      what makes a directory this study and no other
events        what a running study tells; progress shows it
results       the best trial, the Pareto front, a study on disk to look at
interrupts    Ctrl-C that never falls inside a step
workers       where evaluators run; worker_process is what runs there
loop          ask, evaluate, commit, tell
study         Study: the face of it all
report        report.html of a study
"""
