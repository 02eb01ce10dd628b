"""`python -m textune`."""

from textune.cli import main

main()
