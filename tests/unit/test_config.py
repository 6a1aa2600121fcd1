"""Settings: where they come from, what wins, and what is said about mistakes."""

import os
from pathlib import Path

import pytest
import yaml

from jq_cli.config.kinds import Group, Kind, Named
from jq_cli.config.load import Flags, load
from jq_cli.config.schema import SCHEMA
from jq_cli.config.settings import Settings
from jq_cli.errors import ConfigError
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.job import Backoff

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(text: str = "", *, flags: Flags | None = None, mode: int = 0o600, **env: str) -> Settings:
    if text:
        Path("jq.yaml").write_text(text)
        os.chmod("jq.yaml", mode)
    return load(flags, env)


def problems(text: str, **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(text, **env)
    return str(caught.value).split("\n")


def test_nothing_configured_means_sqlite_and_the_built_in_defaults() -> None:
    settings = loaded()
    assert settings == Settings()
    assert settings.store.url == "sqlite"
    assert settings.queue("any").max_retries == 3


def test_a_queue_takes_what_it_does_not_say_from_defaults() -> None:
    settings = loaded(
        "defaults: {priority: 1, timeout: 1m, backoff: {base: 5s, cap: 10m}}\nqueues: {a: {priority: 2, backoff: {base: 1}}}"
    )
    assert settings.queue("a").priority == 2
    assert settings.queue("a").timeout == 60
    assert settings.queue("a").backoff == Backoff(base=1, factor=2, cap=600, jitter=0.1)
    assert settings.queue("other").priority == 1
    assert settings.queue("other").backoff.base == 5


def test_null_in_a_queue_takes_back_a_default() -> None:
    settings = loaded("defaults: {timeout: 1m}\nqueues: {a: {timeout: null}}")
    assert settings.queue("a").timeout is None


def test_keeping_is_made_from_the_queue() -> None:
    keeping = loaded("queues: {a: {retention: 2h, retention_count: 5, dlq_retention: 30d}}").keeping("a")
    assert (keeping.retention, keeping.count, keeping.dlq_retention) == (7_200, 5, 30 * 86_400)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("echo", HandlerSpec("echo")),
        ("{command: [./run.sh, --now]}", HandlerSpec("command", argv=("./run.sh", "--now"))),
        ('{shell: "a | b"}', HandlerSpec("shell", line="a | b")),
        ('{call: "tasks:run"}', HandlerSpec("call", target="tasks:run")),
    ],
)
def test_handlers_are_read_in_every_form(text: str, spec: HandlerSpec) -> None:
    settings = loaded(f"queues: {{a: {{handler: {text}}}, b: {{}}}}")
    assert settings.queue("a").handler == spec
    assert settings.handled() == ["a"]


@pytest.mark.parametrize(
    "text",
    ["run", "{command: []}", "{command: ls}", "{call: tasks}", "{shell: ''}", "{}", "{shell: a, call: 'b:c'}", "3"],
)
def test_a_handler_that_names_nothing_is_refused(text: str) -> None:
    [problem] = problems(f"queues: {{a: {{handler: {text}}}}}")
    assert "expected handler to be echo, {command: [program, argument...]}" in problem
    assert "(queues.a.handler, jq.yaml line 1)" in problem


def test_every_mistake_is_reported_at_once_with_its_place() -> None:
    found = problems(
        """\
namespace: "not a name"
max_payload: 2TiB
backends:
  nowhere: {}
queues:
  emails:
    priority: 5000
    timout: 30s
    backoff: {factor: 0}
    timeout: 5 apples
  "bad queue": {}
  builds:
    priority: 1
    priority: 2
    delivery: sometimes
worker:
  processes: "4"
  pass_backend: perhaps
  env: HOME
"""
    )
    assert found == [
        "namespace: 'not a name' is not a name: 1 to 128 of A-Z a-z 0-9 . _ - are allowed, the first a letter or digit"
        " (namespace, jq.yaml line 1)",
        "expected max_payload to be 1..64MiB, got 2TiB (max_payload, jq.yaml line 2)",
        "expected priority to be -1000..1000, got 5000 (queues.emails.priority, jq.yaml line 7)",
        "unknown option 'timout'; did you mean 'timeout'? (queues.emails, jq.yaml line 8)",
        "expected factor to be 1..1000, got 0 (queues.emails.backoff.factor, jq.yaml line 9)",
        "timeout: '5 apples' is not a duration; use forms like 500ms, 30s, 5m, 2h, 1d, 1h30m"
        " (queues.emails.timeout, jq.yaml line 10)",
        "'bad queue' is not a name: 1 to 128 of A-Z a-z 0-9 . _ - are allowed, the first a letter or digit"
        " (queues, jq.yaml line 11)",
        "'priority' is given twice (queues.builds, jq.yaml line 14)",
        "expected delivery to be at_least_once or at_most_once, got sometimes (queues.builds.delivery, jq.yaml line 15)",
        "expected processes to be 1..1024, got '4' (worker.processes, jq.yaml line 17)",
        "expected pass_backend to be true or false, got perhaps (worker.pass_backend, jq.yaml line 18)",
        "expected env to be a list of names of environment variables, got HOME (worker.env, jq.yaml line 19)",
        "a backend needs a url (backends.nowhere, jq.yaml line 4)",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("queues: [", "jq.yaml line 1"),
        ("a: &x 1\nb: *x\n", "aliases (*name) are not allowed (jq.yaml line 2)"),
        ("queues: []", "expected queues to be a mapping, got a list (queues, jq.yaml line 1)"),
        ("- a", "expected the file to be a mapping, got a list (jq.yaml line 1)"),
        ("? [a]\n: b", "expected a name as key"),
        ("namespace: !!python/object:os.system x", "could not determine a constructor"),
        ("---\na: 1\n---\nb: 2\n", "expected a single document"),
        ("[" * 5_000, "nests too deeply (jq.yaml)"),
        ("namespace: \x1b[31m", "unacceptable character"),
        ("backends: {a: {url: 'redis://h', password_env: X, password_file: y}}", "exclude each other (backends.a"),
        ("defaults: {priority: null}", "expected priority to be -1000..1000, got null"),
        ("defaults: {timeout: 2026-01-01}", "expected timeout to be 1ms..366d"),
        ("defaults: {retention: true}", "expected retention to be 0ms..366d"),
        ("defaults: {timeout: 0s}", "expected timeout to be 1ms..366d"),
        ("defaults: {max_retries: 1.5}", "expected max_retries to be 0..1000, got 1.5"),
    ],
)
def test_a_broken_file_is_refused(text: str, said: str) -> None:
    assert said in "\n".join(problems(text))


def test_a_large_file_is_refused_unread() -> None:
    assert problems("#" * 1_100_000) == ["jq.yaml: larger than the 1,048,576 bytes allowed"]


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    Path("jq.yaml").write_bytes(b"namespace: \xff")
    with pytest.raises(ConfigError, match="invalid UTF-8 at byte 11"):
        loaded()


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"nope\.yaml: No such file"):
        loaded(flags=Flags(config="nope.yaml"))


def test_the_file_is_looked_for_in_order(tmp_path: Path) -> None:
    def write(path: str, namespace: str) -> str:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"namespace: {namespace}")
        return str(target)

    env = {"HOME": str(tmp_path / "home")}
    assert load(None, env).file is None
    write("home/.config/jq/config.yaml", "home")
    assert load(None, env).namespace == "home"
    env["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    write("xdg/jq/config.yaml", "xdg")
    assert load(None, env).namespace == "xdg"
    write("jq.yaml", "here")
    assert load(None, env).namespace == "here"
    env["JQ_CONFIG"] = write("variable.yaml", "variable")
    assert load(None, env).namespace == "variable"
    assert load(Flags(config=write("flag.yaml", "flag")), env).namespace == "flag"


NAMED = "backend: one\nbackends: {one: {url: 'redis://one/0'}, two: {url: 'redis://two/0'}}"


@pytest.mark.parametrize(
    ("flag", "env", "file", "url", "source"),
    [
        (None, {}, "", "sqlite", None),
        (None, {"REDIS_ADDR": "r:1"}, "", "redis://r:1/0", "REDIS_ADDR"),
        (None, {"REDIS_ADDR": "rediss://r:1/3"}, "", "rediss://r:1/3", "REDIS_ADDR"),
        (None, {"REDIS_ADDR": "r:1"}, NAMED, "redis://one/0", "jq.yaml line 1"),
        (None, {"BACKEND": "memory"}, NAMED, "memory", "BACKEND"),
        (None, {"BACKEND": "redis", "REDIS_ADDR": "r:1"}, "", "redis://r:1/0", "BACKEND"),
        (None, {"BACKEND": "redis"}, "", "redis", "BACKEND"),
        (None, {"BACKEND": "memory", "JQ_BACKEND": "two"}, NAMED, "redis://two/0", "JQ_BACKEND"),
        ("redis://flag/0", {"BACKEND": "memory", "JQ_BACKEND": "two"}, NAMED, "redis://flag/0", "--backend"),
    ],
)
def test_the_store_is_chosen_in_the_documented_order(
    flag: str | None, env: dict[str, str], file: str, url: str, source: str | None
) -> None:
    settings = loaded(file, flags=Flags(backend=flag), **env)
    assert settings.store.url == url
    assert settings.sources.get(("backend",)) == source


def test_the_namespace_comes_from_flag_variable_or_file() -> None:
    text = "namespace: file"
    assert loaded(text).namespace == "file"
    assert loaded(text, JQ_NAMESPACE="variable").namespace == "variable"
    settings = loaded(text, flags=Flags(namespace="flag"), JQ_NAMESPACE="variable")
    assert (settings.namespace, settings.sources["namespace",]) == ("flag", "--namespace")
    assert problems(text, JQ_NAMESPACE="a b")[0].endswith("(JQ_NAMESPACE)")


def test_sources_name_the_line_that_set_a_value_also_through_defaults() -> None:
    sources = loaded("defaults:\n  max_retries: 9\nqueues:\n  a:\n    priority: 2\n").sources
    assert sources["queues", "a", "priority"] == "jq.yaml line 5"
    assert sources["queues", "a", "max_retries"] == "jq.yaml line 2"
    assert ("queues", "a", "timeout") not in sources


# --- secrets ---


def test_a_password_comes_from_a_file_or_a_variable() -> None:
    Path("secret").write_text("p@ss/word\n")
    text = "backends: {f: {url: 'redis://jq@h/0', password_file: secret}, v: {url: 'redis://h/0', password_env: PW}}"
    assert loaded(text, JQ_BACKEND="f").store.url == "redis://jq:p%40ss%2Fword@h/0"
    settings = loaded(text, JQ_BACKEND="v", PW="x y")
    assert settings.store.url == "redis://:x%20y@h/0"
    assert settings.store.shown == "redis://:***@h/0"
    assert problems(text, JQ_BACKEND="v") == ["backends.v.password_env: the variable PW is not set"]


def test_a_whole_url_comes_from_a_file() -> None:
    Path("url").write_text("redis://u:pw@h/0\n")
    settings = loaded(JQ_BACKEND_FILE="url")
    assert settings.store.url == "redis://u:pw@h/0"
    assert loaded(JQ_BACKEND_FILE="url", JQ_BACKEND="memory").store.url == "memory"


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("", "is empty")])
def test_a_secret_that_cannot_be_read_is_an_error(content: str | None, said: str) -> None:
    if content is not None:
        Path("url").write_text(content)
    assert said in problems("namespace: a", JQ_BACKEND_FILE="url")[0]


def test_a_file_that_everybody_may_write_is_refused() -> None:
    with pytest.raises(ConfigError, match="every user may write it"):
        loaded("namespace: a", mode=0o666)
    Path("jq.yaml").unlink()
    Path("secret").write_text("x")
    os.chmod("secret", 0o602)
    with pytest.raises(ConfigError, match="every user may write it"):
        loaded("backends: {a: {url: 'redis://h', password_file: secret}}", JQ_BACKEND="a")


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        ("backend: redis://u:pw@h/0", 0o644, True),
        ("backend: redis://u:pw@h/0", 0o600, False),
        ("backends: {a: {url: 'redis://u:pw@h/0'}}", 0o640, True),
        ("backends: {a: {url: 'redis://h/0', password: pw}}", 0o644, True),
        ("backends: {a: {url: 'redis://h/0?ssl_password=x'}}", 0o644, True),
        ("backend: redis://u@h/0", 0o644, False),
        ("backends: {a: {url: 'redis://h/0', ssl_keyfile: /k}}", 0o644, False),
    ],
)
def test_a_readable_file_with_a_password_gets_a_warning(text: str, mode: int, warned: bool) -> None:
    assert bool(loaded(text, mode=mode).warnings) is warned


def test_a_file_here_that_belongs_to_somebody_else_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("jq.yaml").write_text("namespace: a")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if Path("jq.yaml").stat().st_uid == 0:
        os.chown("jq.yaml", 999, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        load(None, {})
    assert load(Flags(config="jq.yaml"), {}).namespace == "a"


# --- profiles ---

PROFILES = """
backend: a
namespace: top
max_payload: 2MiB
backends: {a: {url: memory://a}, b: {url: memory://b}}
defaults: {timeout: 1m, priority: 1}
queues: {q: {priority: 2}}
profiles:
  prod: {backend: b, namespace: shop, production: true, defaults: {timeout: 9s}, queues: {q: {max_retries: 9}, r: {}}, worker: {processes: 4}}
  other: {}
"""


def chosen(settings: Settings) -> tuple[str, str, bool]:
    return settings.store.url, settings.namespace, settings.production


def test_a_profile_wins_over_the_file_option_by_option() -> None:
    settings = loaded(PROFILES, flags=Flags(profile="prod"))
    assert (settings.profile, *chosen(settings)) == ("prod", "memory://b", "shop", True)
    assert (settings.queue("q").priority, settings.queue("q").timeout, settings.queue("q").max_retries) == (2, 9.0, 9)
    assert (settings.defaults.priority, settings.worker.processes, settings.max_payload) == (1, 4, 2 * 2**20)
    assert (settings.profiles, "r" in settings.queues) == (("prod", "other"), True)
    assert settings.sources["namespace",] == "jq.yaml line 9 (profile prod)"
    assert settings.sources["queues", "q", "timeout"] == "jq.yaml line 9 (profile prod)"
    assert settings.sources["profile",] == "--profile"


def test_without_a_profile_the_file_holds_and_nothing_is_production() -> None:
    for flags in (None, Flags(profile="other"), Flags(profile="")):
        settings = loaded(PROFILES, flags=flags, JQ_PROFILE="prod" if flags and not flags.profile else "")
        assert chosen(settings) == ("memory://a", "top", False)
        assert "r" not in settings.queues


def test_a_profile_named_by_a_flag_wins_over_variables_and_one_named_by_a_variable_does_not() -> None:
    variables = {"JQ_BACKEND": "memory://env", "JQ_NAMESPACE": "env"}
    assert chosen(loaded(PROFILES, flags=Flags(profile="prod"), **variables)) == ("memory://b", "shop", True)
    assert chosen(loaded(PROFILES, JQ_PROFILE="prod", **variables)) == ("memory://env", "env", True)
    assert chosen(loaded(PROFILES, JQ_PROFILE="prod")) == ("memory://b", "shop", True)
    assert chosen(loaded(PROFILES, flags=Flags(profile="other"), **variables)) == ("memory://env", "env", False)
    flags = Flags(profile="prod", backend="memory://flag", namespace="flag")
    assert chosen(loaded(PROFILES, flags=flags)) == ("memory://flag", "flag", True)


def test_a_flag_wins_over_the_variable_that_names_a_profile() -> None:
    assert loaded(PROFILES, flags=Flags(profile="other"), JQ_PROFILE="prod").profile == "other"


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    assert problems(PROFILES, JQ_PROFILE="pord") == ["no such profile: 'pord'; known: prod, other (JQ_PROFILE)"]
    assert problems("namespace: a", JQ_PROFILE="x") == [
        "no such profile: 'x'; no configuration file names one (JQ_PROFILE)"
    ]
    os.remove("jq.yaml")
    assert problems("", JQ_PROFILE="x") == ["no such profile: 'x'; no configuration file names one (JQ_PROFILE)"]


def test_mistakes_in_every_profile_are_reported_whichever_is_in_force() -> None:
    text = "profiles:\n  a: {production: maybe}\n  b: {queues: {q: {priority: 5000}}, backends: {}}\n  c: {defaults: {timout: 1}}\n"
    assert problems(text) == [
        "expected production to be true or false, got maybe (profiles.a.production, jq.yaml line 2)",
        "expected priority to be -1000..1000, got 5000 (profiles.b.queues.q.priority, jq.yaml line 3)",
        "unknown option 'backends'; did you mean 'backend'? (profiles.b, jq.yaml line 3)",
        "unknown option 'timout'; did you mean 'timeout'? (profiles.c.defaults, jq.yaml line 4)",
    ]


def test_a_password_in_a_profile_gets_the_warning_too() -> None:
    text = "profiles: {prod: {backend: 'redis://u:secret@h/0'}}"
    assert loaded(text, mode=0o644).warnings
    assert not loaded(text, mode=0o600).warnings
    assert not loaded("backends: {a: {url: memory://a, password_env: X}}", mode=0o644).warnings


# --- the example ---


def test_the_example_is_valid() -> None:
    settings = load(Flags(config=str(EXAMPLE)), {})
    assert settings.queue("emails").handler == HandlerSpec(
        "command", argv=("./send-mail.sh", "--from", "shop@example.org")
    )


def test_the_example_shows_every_option() -> None:
    written = set(_keys(yaml.safe_load(EXAMPLE.read_text()))) | {"password_env", "secret_env"}
    assert set(_options(SCHEMA)) <= written


def test_the_example_shows_the_built_in_defaults() -> None:
    settings = load(Flags(config=str(EXAMPLE)), {})
    given, built_in = settings.defaults, Settings().defaults
    for name in built_in.__struct_fields__:
        if name != "handler":
            assert getattr(given, name) == getattr(built_in, name), name
    assert settings.worker == Settings().worker
    assert settings.max_payload == Settings().max_payload


def _keys(value: object) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [name for key, inner in value.items() for name in (key, *_keys(inner))]


def _options(group: Group) -> list[str]:
    names: list[str] = []
    for name, kind in group.fields.items():
        inner = kind.group if isinstance(kind, Named) else kind
        names += [name, *(_options(inner) if not isinstance(inner, Kind) else [])]
    return names
