"""What a person reads at the end. Opens a study's record without torch, data or plug-ins."""

from textune.report.page import write_report
from textune.report.terminal import show

__all__ = ["show", "write_report"]
