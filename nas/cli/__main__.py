"""`python -m nas.cli` is the command `nas`."""

from nas.cli import main

main()
