"""Callables for the end-to-end tests. They log to a file outside every store, so that a lie of the worker is seen."""

import os
import random
import time

from jq_cli.handlers.callable import Permanent


def log(text):
    fd = os.open(os.environ["TRACES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


def brief(payload, job):
    log(f"start {job.id} {job.fence}")
    time.sleep(random.uniform(0.02, 0.08))
    if payload.get("hopeless"):
        raise Permanent("hopeless")
    log(f"end {job.id} {job.fence}")
    return payload["n"]


def endless(payload, job):
    log(f"start {job.id} {job.fence} {os.getpid()}")
    time.sleep(600)


def once_endless(payload, job):
    log(f"start {job.id} {job.fence} {os.getpid()}")
    if job.attempt == 1:
        time.sleep(600)


def order(payload, job):
    log(job.id)


def quick(payload, job):
    log(job.id)
    time.sleep(0.005)
