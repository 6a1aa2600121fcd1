"""Waiting from `sh -e` scripts, as CI does it. (`test_docs` runs the page about it on SQLite; here it runs on Redis.)"""

import subprocess
from pathlib import Path

from tests.e2e.program import JQ, ROOT, Program
from tests.e2e.sessions import differences
from tests.worker.bench import eventually


def test_the_page_on_waiting_prints_the_same_on_redis(redis_url: str, namespace: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert differences(ROOT / "docs" / "ci.md", home, JQ_BACKEND=redis_url, JQ_NAMESPACE=namespace) == []


def script(jq: Program, text: str) -> subprocess.CompletedProcess[str]:
    folder = str(Path(JQ).parent)
    env = jq.env | {"PATH": f"{folder}:{jq.env['PATH']}"}
    return subprocess.run(
        ["sh", "-e", "-c", text], env=env, cwd=jq.folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_strict_script_ends_where_a_job_died_and_goes_on_where_it_succeeded(jq: Program) -> None:
    with jq.worker("q", "--shell", "read -r code; exit $code"):
        done = script(jq, "jobq run q 0\necho first\njobq run q 65\necho second")
        assert done.returncode == 11
        assert done.stdout.splitlines()[1:2] == ["first"]
        assert "second" not in done.stdout
        assert script(jq, "jobq run q 7 --retries 0 --exit-code").returncode == 7
        assert script(jq, "jobq run q 0 --exit-code && echo fine").stdout.endswith("fine\n")


def test_a_retry_is_waited_out_and_the_last_run_counts(jq: Program) -> None:
    line = 'echo "run $JQ_ATTEMPT"; test $JQ_ATTEMPT = 2 && exec >&- ; test $JQ_ATTEMPT = 2 || exit 9'
    with jq.worker("q", "--shell", line):
        done = script(jq, "jobq run q 1 --backoff 1s --output --exit-code")
    assert (done.returncode, done.stdout) == (0, "run 2\n")


def test_what_an_earlier_run_said_is_not_taken_for_the_last_ones_output(jq: Program) -> None:
    with jq.worker("q", "--shell", "test $JQ_ATTEMPT = 2 || { echo half; exit 9; }"):
        done = script(jq, "jobq run q 1 --backoff 1s --output --exit-code")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_command_killed_by_a_signal_is_128_and_its_number(jq: Program) -> None:
    with jq.worker("q", "--shell", "kill -KILL $$"):
        assert script(jq, "jobq run q 1 --retries 0 --exit-code").returncode == 137


def test_output_passes_bytes_that_are_no_text(jq: Program) -> None:
    with jq.worker("q", "--shell", r"printf '\377\000\001'; head -c 3000 /bin/sh"):
        folder = str(Path(JQ).parent)
        env = jq.env | {"PATH": f"{folder}:{jq.env['PATH']}"}
        done = subprocess.run([JQ, "run", "q", "1", "--output"], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout == b"\xff\x00\x01" + Path("/bin/sh").read_bytes()[:3_000]


def test_a_callable_succeeds_and_fails_like_a_command(jq: Program) -> None:
    with jq.worker("q", "--call", "tests.e2e.handlers:brief"):
        assert script(jq, """jobq run q '{"n": 1}' --exit-code""").returncode == 0
        assert script(jq, """jobq run q '{"n": 1, "hopeless": true}'""").returncode == 11
        assert script(jq, """jobq run q '{"n": 1, "hopeless": true}' --exit-code""").returncode == 125


def test_a_wait_outlives_the_worker(jq: Program) -> None:
    arguments = ("q", "--call", "tests.e2e.handlers:once_endless")
    with jq.worker(*arguments) as first:
        waiter = subprocess.Popen([JQ, "run", "q", "{}"], env=jq.env, stdout=subprocess.DEVNULL)
        eventually(jq.traces, "the job starts")
        first.kill()
    with jq.worker(*arguments):
        assert waiter.wait(60) == 0
