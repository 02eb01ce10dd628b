import pytest

from textune.registry import kinds
from textune.testing.trackers import TrackerContract


class TestEveryTracker(TrackerContract):
    @pytest.fixture(params=kinds("tracker"))
    def config(self, request):
        return kinds("tracker")[request.param]()
