"""Hooks from elsewhere, good and bad. Each writes what it gets into a file, one event a line."""

import json
import os
import time
from pathlib import Path

from jq_cli.hooks.event import record


class FileHook:
    def __init__(self, options):
        self.path = Path(options["path"])
        self.closed = Path(f"{self.path}.closed")

    def deliver(self, events):
        with self.path.open("a") as file:
            for event in events:
                fields = record(event)
                fields["payload"] = event.payload.decode() if event.payload is not None else None
                file.write(json.dumps(fields) + "\n")

    def close(self):
        self.closed.touch()


class SlowHook(FileHook):
    def deliver(self, events):
        while not Path(f"{self.path}.go").exists():
            time.sleep(0.01)
        super().deliver(events)


class HogHook(FileHook):
    """Burns the processor and never lets go."""

    def deliver(self, events):
        super().deliver(events)
        while True:
            pass


class CrashHook(FileHook):
    """Takes its whole process down, once."""

    def deliver(self, events):
        once = Path(f"{self.path}.crashed")
        if not once.exists():
            once.write_text(str(os.getpid()))
            os._exit(7)
        super().deliver(events)


class BrokenHook(FileHook):
    def deliver(self, events):
        raise ValueError("broken as ever")


file, slow, hog, crash, broken = FileHook, SlowHook, HogHook, CrashHook, BrokenHook
