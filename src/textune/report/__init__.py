"""What a person reads at the end. Opens a study's record without torch, data or plug-ins."""

from textune.report.page import write_report
from textune.report.summary import Summary, show_json, summarize
from textune.report.terminal import show

__all__ = ["Summary", "show", "show_json", "summarize", "write_report"]
