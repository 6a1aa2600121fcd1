"""The benchmark's handlers: nothing, so that what is measured is the queue, a second of waiting,
and one that waits to be killed."""

import os
import time


def noop(payload):
    """Do nothing."""


def second(payload):
    """Take a second."""
    time.sleep(1)


def wait(payload, job):
    """Tell who runs it, the first time for as long as it takes to be killed."""
    fd = os.open(os.environ["TRACES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{time.monotonic()} {os.getpid()}\n".encode())
    os.close(fd)
    if job.attempt == 1:
        time.sleep(600)
