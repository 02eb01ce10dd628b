"""Which short form of a training chooses as the full one does? Configurations are trained in full and in short."""

from textune.fidelity.design import ENOUGH, Configuration, Design
from textune.fidelity.findings import conclude
from textune.fidelity.trainings import refuse_others, train

__all__ = ["ENOUGH", "Configuration", "Design", "conclude", "refuse_others", "train"]
