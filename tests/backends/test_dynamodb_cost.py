"""What the documentation says a job costs in requests is what is sent."""

import re
from pathlib import Path

from jq_cli.backends.registry import open_backend
from jq_cli.testing.store import Store
from tests.dynamodb_server import DynamoServer

PAGE = Path(__file__).parents[2] / "docs" / "dynamodb.md"


def documented() -> dict[str, int]:
    return {
        step: int(count)
        for step, count in re.findall(
            r"^\| (enqueue|claim|settle|look|maintenance)\b.* \| (\d+) \|$", PAGE.read_text(), re.M
        )
    }


def test_the_requests_for_fifty_jobs_are_the_documented_ones(dynamodb_server: DynamoServer) -> None:
    url = dynamodb_server.table()
    store = Store(lambda clock, namespace: open_backend(url, namespace=namespace, clock=clock))
    requests = store.backend._client.requests  # type: ignore[attr-defined]
    sent: dict[str, int] = {}

    def note(step: str) -> None:
        sent[step] = sum(requests.values())
        requests.clear()

    store.insert(*(store.draft() for _ in range(50)))
    note("enqueue")
    jobs = store.claim(50)
    note("claim")
    changes = [store.outcome(job) for job in jobs]
    requests.clear()
    assert store.backend.replace(changes) == ["applied"] * 50
    note("settle")
    assert store.claim(50) == []
    note("look")
    assert store.backend.due(50).jobs == []
    note("maintenance")
    store.check()
    store.close()
    assert sent == documented()
