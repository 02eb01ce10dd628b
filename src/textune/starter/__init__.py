"""A first study for a newcomer's own file: see how it is written, which columns it has, and what suits them."""

from textune.starter.study import FirstStudy, first_study

__all__ = ["FirstStudy", "first_study"]
