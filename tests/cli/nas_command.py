"""The command `nas`, run in this process as a user would."""

import pytest

from nas.cli import main


def run(*arguments, capsys):
    """Exit code, standard output, standard error of `nas ...`."""
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err
