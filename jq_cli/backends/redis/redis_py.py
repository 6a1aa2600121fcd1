"""A redis-py client from our own address, for programs that go to the server by themselves. The backend needs none."""

from typing import TYPE_CHECKING, Any

from jq_cli.backends.redis.address import Address
from jq_cli.errors import UsageError
from jq_cli.sockets import Tls

if TYPE_CHECKING:
    from redis import Redis as Redis  # noqa: PLC0414  # for whoever names it in a type


def redis_client(address: Address) -> Any:
    """A client of the same server and database, with the same login, TLS and timeouts. It connects when it is first used; that of
    a cluster, a RedisCluster, at once."""
    try:
        import redis
    except ModuleNotFoundError as error:
        raise UsageError("client() needs redis-py: pip install 'jq-cli[redis-py]'") from error
    options: dict[str, Any] = {
        "db": address.db,
        "client_name": address.client_name,
        "socket_timeout": address.timeout,
        "socket_connect_timeout": address.timeout,
    }
    if address.password is not None:
        options |= {"username": address.username, "password": address.password}
    if address.service:
        return _service(address, options)
    if address.nodes:
        return _cluster(address, options)
    if address.path:
        return redis.Redis(unix_socket_path=address.path, **options)
    if address.tls is not None:
        options |= _tls(address.tls)
    return redis.Redis(host=address.host, port=address.port, **options)


def _service(address: Address, options: dict[str, Any]) -> "Redis":
    from redis.sentinel import Sentinel

    tls = {} if address.tls is None else _tls(address.tls)
    first = address.sentinels[0]
    login = {} if first.password is None else {"username": first.username, "password": first.password}
    timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    places = [(each.host, each.port) for each in address.sentinels]
    sentinel: Any = Sentinel(places, sentinel_kwargs={**timeouts, **login, **tls})  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(address.service, **options, **tls)
    return client


def _cluster(address: Address, options: dict[str, Any]) -> Any:
    from redis.cluster import ClusterNode, RedisCluster

    del options["db"]
    tls = {} if address.tls is None else _tls(address.tls)
    places = [ClusterNode(host, port) for host, port in address.nodes]  # type: ignore[no-untyped-call]
    return RedisCluster(startup_nodes=places, **options, **tls)


def _tls(tls: Tls) -> dict[str, Any]:
    return {
        "ssl": True,
        "ssl_cert_reqs": "required" if tls.verify else "none",
        "ssl_check_hostname": tls.check_hostname,
        "ssl_ca_certs": tls.ca_certs,
        "ssl_certfile": tls.certfile,
        "ssl_keyfile": tls.keyfile,
        "ssl_password": tls.password,
    }
