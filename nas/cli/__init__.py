"""The command `nas`: the one place that composes spaces, controllers, evaluators and the trainer.

    app        the command tree and how errors end it
    common     options and output shared by commands
    spaces     nas spaces | check | cost | show
    search     nas search | resume
    studies    nas status | top | report | export
    training   nas train
    tuning     nas tune
    latency    nas latency calibrate | predict | measure
    proxy      nas proxy design | zero-cost; proxy_judge evaluates its references
    preflight  what a space is, in figures
    job        what `nas search` does
    finish     what follows the search with --full, stage by stage

Exit codes: 0 success, 2 a mistake of the user (one clear message), 1 a failure, 130 interrupted.
"""

from nas.cli.app import main

__all__ = ["main"]
