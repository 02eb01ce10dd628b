"""What the tests of the documentation share: a Python of its own, as a reader would start one."""

import subprocess
import sys

import pytest


@pytest.fixture
def python():
    """Returns a function that runs Python in a folder and returns what it printed."""

    def run(folder, *arguments):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
