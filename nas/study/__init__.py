"""The study: a space, a controller and evaluators in a loop whose every step is durable.

objective     Objective, Constraint: what is wanted and what must hold
reward        the forms of weighted rewards, which an objective can be
trial         Measurement, StageVerdict, Trial: what was found, frozen
fidelity      Fidelity: how thoroughly an architecture is judged
interfaces    Controller, Proposal, Evaluator, GradualEvaluator: what the packages beside this one provide
watch         what passes between a study and a training: its curve, the word to stop, its checkpoint
database      one SQLite file that is written by one process
directory     where a study lives, and the lock on it
store         trials, journal, snapshots and stages in that file
ledger        what the controller was asked and told, replayed on resume
evaluation    the chain of evaluators, cheap gates first
checkpoints   what trials have trained, kept as long as a later one may continue it
transfer      what an earlier study of another space knows
identity      what makes a directory this study and no other
events        what a running study tells; progress shows it
results       the best trial, the Pareto front, a study on disk to look at
interrupts    Ctrl-C that never falls inside a step
workers       where evaluators run; worker_process is what runs there
loop          ask, evaluate, commit, tell
study         Study: the face of it all
report        report.html of a study
"""
