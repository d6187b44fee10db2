"""Test of the connections of a process after sentinels have replaced the master."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from app.caching.connection import Link, connect
from local.processes import wait_until
from local.server import LOOPBACK
from tests.caching.deployments import MASTER_NAME, sentinel_setup


def test_all_connections_move_to_the_new_master_together(tmp_path: Path) -> None:
    """The old master still accepts commands after it resumes; an end and a read must not go to different servers."""
    with sentinel_setup(tmp_path) as setup:
        link = connect(setup.deployment.topology, max_connections=4, timeout=10)
        assert _ports(link) == {setup.master.port}
        setup.master.pause()
        sentinel = Redis(host=LOOPBACK, port=setup.deployment.topology.sentinels[0][1])
        assert wait_until(lambda: _master(sentinel) == setup.replica.port, seconds=30)
        setup.master.resume()
        with Redis.from_url(setup.master.url) as old:
            assert old.info("replication")["role"] == "master"
            ours = [client["id"] for client in old.client_list() if client["cmd"] == "info" and not client["name"]]
            old.client_kill_filter(_id=ours[0])
        assert wait_until(lambda: _reaches(link, setup.replica.port), seconds=30)

        assert _ports(link) == {setup.replica.port}


def _ports(link: Link) -> set[int]:
    """Return the ports of the servers that the link's two connections use."""
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda key: link.send_as_writer(("BLPOP", key, "0.3")), "ab"))  # uses both at the same time
        return set(threads.map(lambda _: _port(link), range(2)))


def _port(link: Link) -> int:
    lines: bytes = link.send_as_writer(("INFO", "server"))
    return int(next(line for line in lines.split() if line.startswith(b"tcp_port:")).partition(b":")[2])


def _reaches(link: Link, port: int) -> bool:
    try:
        return port in _ports(link)
    except RedisError:
        return False


def _master(sentinel: Redis) -> int:
    """Return the port that redis-py would use: GET-MASTER-ADDR-BY-NAME already names the new master before this one."""
    state: Any = sentinel.sentinel_master(MASTER_NAME)
    return int(state["port"])
