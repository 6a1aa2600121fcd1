"""Shell completion: the scripts in the repository, what they ask for, where they are installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from jq_cli.cli.completion import scripts
from tests.cli.program import SCRIPTS, Program
from tests.cli.stored import dead, put

FOLDER = Path(__file__).parents[2] / "completions"


def offered(jq: Program, *words: str) -> list[str]:
    return [line.split("\t")[0] for line in jq.ok("__complete", *words).lines if line]


def test_the_scripts_in_the_repository_are_the_generated_ones() -> None:
    assert {path.name: path.read_text() for path in FOLDER.iterdir() if not path.name.startswith(".")} == scripts()


def test_there_is_a_script_for_each_shell_and_name() -> None:
    assert set(scripts()) == {"jq.bash", "jobq.bash", "_jq", "_jobq", "jq.fish", "jobq.fish"}


def test_commands_are_offered_with_their_help(jq: Program) -> None:
    assert "enqueue\tPut one job on a queue, or many from NDJSON." in jq.ok("__complete", "").lines
    assert offered(jq, "l") == ["ls-queues", "len", "ls"]
    assert offered(jq, "dlq", "")[:5] == ["ls", "show", "edit", "requeue", "purge"]
    assert "--state" in offered(jq, "len", "--")


def test_queues_are_offered(jq_on_each: Program) -> None:
    put(jq_on_each, "emails", b"1")
    put(jq_on_each, "builds", b"1")
    for command in (
        ["len"],
        ["ls"],
        ["enqueue"],
        ["dlq", "ls"],
        ["dlq", "requeue"],
        ["pause"],
        ["show"],
        ["promote"],
        ["len", "builds"],
    ):
        assert offered(jq_on_each, *command, "e") == ["emails"], command


def test_ids_of_the_queue_named_before_are_offered(jq_on_each: Program) -> None:
    [gone] = dead(jq_on_each, "emails")
    [ready] = put(jq_on_each, "emails", b"1")
    put(jq_on_each, "other", b"1")
    assert set(offered(jq_on_each, "show", "emails", "")) == {gone, ready}
    assert offered(jq_on_each, "cancel", "emails", "0") == [ready]
    assert set(offered(jq_on_each, "rm", "emails", "0")) == {gone, ready}
    for command in (["dlq", "requeue", "emails"], ["dlq", "purge", "emails", "--id"], ["dlq", "show", "emails"]):
        assert offered(jq_on_each, *command, "0") == [gone], command


def test_states_and_backends_are_offered(jq: Program) -> None:
    assert offered(jq, "len", "--state", "r") == ["ready", "running"]
    assert offered(jq, "ls", "q", "--state", "su") == ["succeeded"]
    (jq.home / "jq.yaml").write_text("backends: {mine: {url: 'memory://'}}")
    assert offered(jq, "--backend", "m") == ["mine", "memory"]


def test_words_to_group_by_are_offered(jq: Program) -> None:
    assert offered(jq, "dlq", "ls", "q", "--group-by", "e") == ["error"]
    assert offered(jq, "ls", "q", "--group-by", "p") == ["payload.", "priority"]


def test_options_before_the_word_choose_the_store(jq: Program, redis_url: str, namespace: str) -> None:
    put(Program(jq.home, redis_url, namespace), "there", b"1")
    assert offered(jq, "--backend", redis_url, "--namespace", namespace, "len", "") == ["there"]


def test_trouble_offers_nothing_and_stays_quiet(bare: Program) -> None:
    assert offered(bare, "--backend", "nonsense", "len", "") == []
    (bare.home / "jq.yaml").write_text("nonsense: 1")
    assert offered(bare, "len", "") == []


@pytest.mark.parametrize("name", ["jq", "jobq"])
def test_bash_completes(jq: Program, name: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    put(jq, "emails", b"1")
    put(jq, "errors", b"1")
    script = f"source '{FOLDER}/{name}.bash'; COMP_WORDS=({name} len e); COMP_CWORD=2; _{name}_complete; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    env = jq.env | {"PATH": f"{SCRIPTS}:{jq.env['PATH']}"}
    done = subprocess.run([bash, "-c", script], env=env, cwd=jq.home, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["emails", "errors"], "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_their_script(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    for path in FOLDER.iterdir():
        if path.name.endswith(".fish") if shell == "fish" else path.name.startswith("_"):
            assert subprocess.run([program, "-n", str(path)], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".local/share/bash-completion/completions/jobq.bash"),
        ("zsh", ".zfunc/_jobq"),
        ("fish", ".config/fish/completions/jobq.fish"),
    ],
)
def test_completion_is_installed_where_the_shell_looks_for_it(bare: Program, shell: str, file: str) -> None:
    result = bare.ok("--install-completion", shell)
    assert str(bare.home / file) in result.lines
    assert (bare.home / file).read_text() == scripts()[Path(file).name]
    again = bare.ok("--install-completion", env={"SHELL": f"/bin/{shell}"})
    assert again.out == result.out


def test_an_unknown_shell_is_refused(bare: Program) -> None:
    result = bare("--install-completion", env={"SHELL": "/bin/tcsh"})
    assert result.code == 2
    assert "name one of bash, zsh, fish" in result.err


def test_the_json_processor_keeps_its_completion(bare: Program) -> None:
    other = bare.home / "bin"
    other.mkdir()
    (other / "jq").write_text("#!/bin/sh\n")
    (other / "jq").chmod(0o755)
    result = bare.ok("--install-completion", "bash", env={"PATH": f"{other}:{SCRIPTS}:{bare.env['PATH']}"})
    assert [Path(line).name for line in result.lines] == ["jobq.bash"]
    both = bare.ok("--install-completion", "bash", env={"PATH": f"{SCRIPTS}:{bare.env['PATH']}"})
    assert [Path(line).name for line in both.lines] == ["jq.bash", "jobq.bash"]
