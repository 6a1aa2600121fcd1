"""A child of the pool for coroutine functions: they run on an event loop, several at a time. Apart from `child`, because asyncio
takes more memory than all else in a child."""

import asyncio
import signal
import time

from jq_cli.handlers.callable import CallableHandler
from jq_cli.handlers.spec import Handler
from jq_cli.pool.child import Child
from jq_cli.task import Done, Resume, Run, Task


class AsyncChild(Child):
    """Runs coroutine functions on one event loop; the parent never sends more than may run at a time."""

    def main(self) -> None:
        """Work until the parent closes the link."""
        self.link.sock.setblocking(True)
        asyncio.run(self._main())

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = asyncio.Event()
        signal.signal(signal.SIGTERM, lambda *_: None)  # `Stop` says it too, and which task is meant
        loop.add_reader(self.link.fileno(), self._receive)
        await self._closed.wait()

    def _receive(self) -> None:
        messages = self.link.receive()
        if messages is None:
            self._closed.set()
            return
        for message in messages:
            if isinstance(message, Resume):
                self.slot.resume()
            elif isinstance(message, Run):
                self._start_all(message.tasks)
            elif running := self.tasks.get(message.seq):
                running.cancel()

    def _start_all(self, tasks: list[Task]) -> None:
        for at, task in enumerate(tasks):
            if not self.slot.begin(task.seq):
                for left in tasks[at:]:
                    self.reporter.add(Done(left.id, "unstarted"))
                return
            self.tasks[task.seq] = asyncio.create_task(self._run_one(task))

    async def _run_one(self, task: Task) -> None:
        began = time.monotonic_ns()
        handler = self.handler_of(task)
        try:
            done = await asyncio.wait_for(self._await(handler, task), task.timeout)
        except TimeoutError:
            done = Done(task.id, "failed", error=f"timed out after {task.timeout:g} s")
        except asyncio.CancelledError:
            done = Done(task.id, "stopped")
        finally:
            self.tasks.pop(task.seq, None)
        now = time.monotonic_ns()
        self.reporter.add(done, now - began, now)
        if not self.tasks:
            self.reporter.flush()

    async def _await(self, handler: Handler, task: Task) -> Done:
        if isinstance(handler, CallableHandler) and handler.is_async:
            return await handler.run_async(task, self)
        return handler.run(task, self)
