"""Callables that the worker tests run in children. They leave their traces in files, outside every store."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jq_cli.handlers.callable import Permanent, Snooze


def log(text):
    fd = os.open(os.environ["TRACES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


def trace(payload, job):
    log(f"{payload} {job.attempt}")


def double(payload):
    return {"twice": payload * 2}


def huge_result(payload):
    return "x" * 100_000


def boom(payload):
    log(f"{payload}")
    raise ValueError(f"boom {payload}")


def refuse(payload):
    raise Permanent("never")


def doze(payload, job):
    log(f"{payload} {job.attempt}")
    if len(Path(os.environ["TRACES"]).read_text().splitlines()) == 1:
        raise Snooze(0.05)


def memory(payload):
    raise MemoryError


def leave(payload):
    sys.exit(3)


def suicide_once(payload, job):
    log(f"{payload} {job.attempt} {os.getpid()}")
    if payload == "die" and job.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def suicide(payload, job):
    log(f"{payload} {job.attempt}")
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(payload, job):
    log(f"start {payload} {job.attempt}")
    time.sleep(payload)
    log(f"end {payload} {job.attempt}")


def stubborn(payload):
    log("start")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            log("refuses")


def mixed(payload, job):
    log(f"{payload} {os.getpid()}")
    if payload == "long":
        until = Path(os.environ["TRACES"] + ".go")
        while not until.exists():
            time.sleep(0.005)


def spawns(payload):
    child = subprocess.Popen(["sleep", "300"])
    log(child.pid)
    os.kill(os.getpid(), signal.SIGKILL)


def shows_progress(payload, job):
    job.progress(40, "almost")
    until = Path(os.environ["TRACES"] + ".go")
    while not until.exists():
        time.sleep(0.005)


def environment(payload):
    return sorted(os.environ)


def recycled(payload):
    log(os.getpid())


async def nap(payload, job):
    log(f"start {payload}")
    await asyncio.sleep(payload)
    return payload


async def nap_for_ever(payload):
    log("start")
    await asyncio.sleep(600)
