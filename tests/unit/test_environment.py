"""The environment that handlers get."""

from jq_cli.process.environment import handler_environment


def test_common_variables_pass_and_unknown_ones_do_not() -> None:
    environ = {"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "x", "AWS_SECRET_ACCESS_KEY": "x", "MYAPP_MODE": "x"}
    assert handler_environment(environ) == {"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "x"}


def test_names_and_patterns_let_more_through() -> None:
    environ = {"MYAPP_MODE": "x", "OTHER": "y", "LAST": "z"}
    assert handler_environment(environ, ["MYAPP_*", "OTHER"]) == {"MYAPP_MODE": "x", "OTHER": "y"}


def test_ways_to_reach_the_store_pass_only_by_their_exact_name() -> None:
    environ = {"JQ_BACKEND": "redis://:secret@h", "REDIS_ADDR": "h", "BACKEND": "redis", "OTHER": "y"}
    assert handler_environment(environ, ["*"]) == {"OTHER": "y"}
    assert handler_environment(environ, ["*", "REDIS_ADDR"]) == {"OTHER": "y", "REDIS_ADDR": "h"}
