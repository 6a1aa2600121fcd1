"""The echo handler: prints each job on stdout and succeeds. For trying things out; the memory backend's default only."""

import sys

from jq_cli.handlers.spec import Context, HandlerOptions, HandlerSpec
from jq_cli.task import Done, Task
from jq_cli.view.safe_text import safe_text


class EchoHandler:
    """One line a job: its queue, id and payload."""

    def run(self, task: Task, context: Context) -> Done:
        """Print and succeed."""
        payload = task.payload.decode("utf-8", "backslashreplace")
        sys.stdout.write(f"{task.queue} {task.id} {safe_text(payload)}\n")
        sys.stdout.flush()
        return Done(task.id, "succeeded")


def make_echo(spec: HandlerSpec, options: HandlerOptions) -> EchoHandler:
    """The echo handler; it has no options."""
    return EchoHandler()
