"""The test servers themselves: a fault injected into a server that did not really die would prove nothing."""

import os

import pytest

from tests.servers import RedisServer


def test_a_killed_server_comes_back_on_its_port_with_its_data() -> None:
    with RedisServer(appendfsync="always") as server:
        server.command("SET", "k", "v")
        port, pid = server.port, server.pid
        server.restart()
        assert (server.port, server.command("GET", "k")) == (port, b"v")
        assert server.pid != pid


def test_a_stopped_server_leaves_no_process_and_no_files() -> None:
    server = RedisServer()
    pid, folder = server.pid, server.folder
    server.stop()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
