import sys

import pytest

from textune.errors import MissingDependencyError, StudyError
from textune.records import Objective
from textune.search.cma_es import CmaEsConfig
from textune.space import ChoiceDimension, Space
from textune.testing.samplers import mixed_space


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(MissingDependencyError, match=r"sampler 'cma-es' .*'cmaes'.* pip install 'textune\[cma-es\]'"):
        CmaEsConfig().build(mixed_space(), Objective(), 1)


def test_a_space_of_choices_is_refused():
    space = Space([ChoiceDimension("cell", ("rnn", "gru"))], lambda _params, _path: None)
    with pytest.raises(StudyError, match=r"search.sampler: 'cma-es' learns ranges .* only choices; use 'tpe'"):
        CmaEsConfig().build(space, Objective(), 1)
