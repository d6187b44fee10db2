"""Which server a link leads to when sentinels replace the master."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from app.caching.connection import Link, connect
from local.processes import wait_until
from local.server import LOOPBACK
from tests.caching.places import MASTER_NAME, watched


def test_a_process_that_met_the_new_master_leaves_the_old_one_with_all_connections(tmp_path: Path) -> None:
    """The old one goes on for some seconds when it comes back; an end and a read must not go to different servers."""
    with watched(tmp_path) as scene:
        link = connect(scene.place.topology, max_connections=4, timeout=10)
        assert _ports(link) == {scene.master.port}
        scene.master.pause()
        asked = Redis(host=LOOPBACK, port=scene.place.topology.sentinels[0][1])
        assert wait_until(lambda: _master(asked) == scene.replica.port, seconds=30)
        scene.master.resume()
        with Redis.from_url(scene.master.url) as old:
            assert old.info("replication")["role"] == "master"
            ours = [client["id"] for client in old.client_list() if client["cmd"] == "info" and not client["name"]]
            old.client_kill_filter(_id=ours[0])
        assert wait_until(lambda: _reaches(link, scene.replica.port), seconds=5)

        assert _ports(link) == {scene.replica.port}


def _ports(link: Link) -> set[int]:
    """Return the ports of the servers that the link's two connections lead to."""
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda key: link.send(("BLPOP", key, "0.3")), "ab"))  # so that both are in use at once
        return set(threads.map(lambda _: _port(link), range(2)))


def _port(link: Link) -> int:
    lines: bytes = link.send(("INFO", "server"))
    return int(next(line for line in lines.split() if line.startswith(b"tcp_port:")).partition(b":")[2])


def _reaches(link: Link, port: int) -> bool:
    try:
        return port in _ports(link)
    except RedisError:
        return False


def _master(asked: Redis) -> int:
    address: Any = asked.sentinel_get_master_addr_by_name(MASTER_NAME)
    return int(address[1])
