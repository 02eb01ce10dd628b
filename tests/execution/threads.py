"""An executor as a plug-in may have it: trials in threads of this process."""

import queue
import threading

from textune.errors import FatalError
from textune.execution.attempt import Attempt
from textune.execution.base import Executor, ExecutorConfig
from textune.records import TrialResult
from textune.registry import register
from textune.surroundings import limit_threads


class ThreadsExecutor(Executor):
    slots = 3

    def __init__(self, evaluate):
        self.evaluate, self.events, self.running = evaluate, queue.SimpleQueue(), {}
        limit_threads(1)

    def submit(self, spec):
        self.running[spec.number] = said = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(spec, said), daemon=True).start()

    def wait(self, timeout_seconds=None):
        if not self.running:
            return []
        try:
            event = self.events.get(timeout=timeout_seconds)
        except queue.Empty:
            return []
        if isinstance(event, FatalError):
            raise event
        if isinstance(event, TrialResult):
            self.running.pop(event.trial, None)
        return [event]

    def proceed(self, trial):
        self.running[trial].put(None)

    def stop(self, trial, end, reason):
        if trial in self.running:
            self.running[trial].put((end, reason))

    def close(self):
        for said in self.running.values():
            said.put("close")
        self.running.clear()

    def _run(self, spec, said):
        attempt, event = Attempt(self.evaluate, spec), None
        try:
            while not isinstance(event, TrialResult):
                event = attempt.step()
                if event is not None:
                    self.events.put(event)
                if isinstance(event, TrialResult) or (event is None and said.empty()):
                    continue
                told = said.get()
                if told == "close":
                    attempt.close()
                    return
                if told is not None:
                    event = attempt.stop(*told)
                    self.events.put(event)
        except FatalError as error:
            self.events.put(error)


@register("executor", "threads-of-the-tests")
class ThreadsConfig(ExecutorConfig):
    def build(self, evaluate):
        return ThreadsExecutor(evaluate)
