"""The rules that keep the code small and its parts apart, checked on its source."""

import ast
from statistics import quantiles

from tests.architecture import calls, cycle, functions, imports, libraries, modules, path_of

LAYERS: list[set[str]] = [
    {
        "errors",
        "ids",
        "store_url",
        "sockets",
        "closing",
        "task",
        "process",
        "post",
        "view.safe_text",
        "tracing.handed",
        "tracing.names",
    },
    {"durations", "job", "triage.payload_path"},
    {"draft", "change", "triage.filter", "cron"},
    {"lifecycle", "history", "backends", "handlers"},
    {"consumer", "limits", "pausing", "config.settings", "pool"},
    {
        "client",
        "worker",
        "cron.scheduler",
        "cron.loop",
        "cron.schedules",
        "testing",
        "intake.drafting",
        "intake.tick_drafts",
    },
    set(),  # whatever is named nowhere else: what commands share
    {"server"},
    {"commands"},
    {"cli.root"},
    {"__main__", "reference"},
]
"""From the bottom to the top, modules or whole packages. A module imports from its own layer and from below."""

SHARED = 6
BESIDE = {
    "backends": {"answer", "base", "cursor", "phases", "reconnecting", "schema"},
    "handlers": {"spec"},
    "commands": set(),
}
"""Packages whose modules do not know each other, and what they may all know."""

FINDERS = {"backends.registry"}
PURE = (
    "job", "lifecycle", "history", "latency", "draft", "change", "durations", "pausing", "triage.filter",
    "cron.expression", "cron.fields", "cron.note", "cron.schedule", "cron.timetable", "cron.zone",
)  # fmt: skip
IMPURE = {
    "time",
    "os",
    "io",
    "socket",
    "random",
    "secrets",
    "subprocess",
    "pathlib",
    "select",
    "threading",
    "logging",
    "sqlite3",
}
DRIVERS = {
    "h11": "backends.http", "uvicorn": "server", "httptools": "server", "prometheus_client": "metrics", "opentelemetry": "tracing",
    "redis": "backends.redis", "hiredis": "backends.redis", "sqlite3": "backends.sqlite", "fcntl": ("backends.sqlite", "backends.objects", "pool"),
    "obstore": "backends.objects", "yaml": "config", "pytest": "testing", "hypothesis": "testing", "fakeredis": "nobody", "pickle": "nobody",
    "marshal": "nobody", "shelve": "nobody", "typer": "nobody", "asyncio": ("handlers", "pool", "server"),
    "psycopg": ("backends.postgres", "hooks.history"), "http": ("post", "server", "metrics"), "ssl": ("post", "sockets", "server"),
    "rich": "view", "botocore": "backends.dynamodb", "sqlalchemy": "nobody", "click": ("cli", "commands", "reference"),
}  # fmt: skip
"""Libraries, and the beginnings of the names of the modules that may import them."""

EVIL = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
    "pickle.loads",
}
LONGEST_FILE = 350


def layer(module: str) -> int:
    """The number of the layer that names the module, or else its package."""
    for name in (module, module.partition(".")[0]):
        for number, names in enumerate(LAYERS):
            if name in names:
                return number
    return SHARED


def family(module: str) -> tuple[str, str]:
    """The package of a module, and its own name there: `backends.redis.rows` is of redis in backends."""
    package, _, name = module.partition(".")
    return package, name.partition(".")[0]


def test_imports_point_down() -> None:
    assert [(s, t) for s, t in imports() if s and t and layer(t) > layer(s)] == []


def test_nothing_imports_in_a_circle() -> None:
    assert cycle() == []


def test_backends_handlers_and_commands_do_not_know_each_other() -> None:
    sideways = [
        (source, target)
        for source, target in imports()
        if (package := family(source)[0]) == family(target)[0] and package in BESIDE
        if family(source) != family(target) and family(target)[1] not in BESIDE[package] and source not in FINDERS
    ]
    assert sideways == []


def test_the_registry_names_backends_and_imports_none() -> None:
    assert {target for source, target in imports() if source == "backends.registry"} == {
        "backends.base",
        "draft",
        "errors",
    }


def test_the_production_code_does_not_import_the_conformance_kit() -> None:
    assert [(s, t) for s, t in imports() if t.startswith("testing") and not s.startswith("testing")] == []


def test_a_driver_is_imported_by_its_own_files_only() -> None:
    strangers = [
        (module, library)
        for module, library in libraries()
        if library in DRIVERS and not module.startswith(DRIVERS[library])
    ]
    assert strangers == []


def test_policy_and_records_touch_no_clock_and_no_io() -> None:
    assert [(module, library) for module, library in libraries() if module in PURE and library in IMPURE] == []
    names = {name for module in PURE for name, _ in calls(module)}
    assert names.isdisjoint({"open", "print", "input", "datetime.now", "datetime.utcnow", "datetime.today"})


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    names = {part for module in modules() for part in module.split(".")}
    assert names.isdisjoint({"utils", "util", "common", "helpers", "helper", "misc", "tools"})


def test_nothing_evaluates_text_as_code() -> None:
    found = [(module, name) for module in modules() for name, _ in calls(module) if name in EVIL]
    assert found == []


def test_no_shell_is_started_behind_the_users_back() -> None:
    shells = [
        module
        for module in modules()
        for _, call in calls(module)
        if any(word.arg == "shell" and getattr(word.value, "value", None) is not False for word in call.keywords)
    ]
    assert shells == []


def test_every_module_says_what_it_is() -> None:
    silent = [name for name, tree in modules().items() if ast.get_docstring(tree) is None and tree.body]
    assert silent == []


def test_files_are_short() -> None:
    lines = {name: len(path_of(name).read_text("utf-8").splitlines()) for name in modules()}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    assert [function for function in functions() if function.lines > 40] == []
    lengths = [function.lines for function in functions() if not function.module.startswith("testing")]
    tenths = quantiles(lengths, n=10)
    assert (tenths[4] < 6, tenths[8] < 20) == (True, True), tenths
