"""What the other tests with PostgreSQL stand on: the server, and the network before it."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.support.certificates import issue, server_context
from tests.support.cut_proxy import cut_proxy
from tests.support.postgresql import Cluster, fresh_database, running
from tests.support.postgresql_tls import tls_front
from tests.support.process import environment

STARTS_A_SERVER = """
import sys
from tests.support.postgresql import Cluster
cluster = Cluster()
cluster.start()
print(cluster.folder, cluster.pid, flush=True)
sys.stdin.read()
"""


async def test_a_server_ends_with_the_process_that_started_it_however_that_ends() -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_A_SERVER, stdin=-1, stdout=-1, env=environment()
    )
    assert starter.stdout is not None
    folder, pid = (await starter.stdout.readline()).decode().split()
    os.kill(int(pid), 0)
    starter.kill()
    await starter.communicate()
    async with asyncio.timeout(20):
        while Path(folder).exists():  # noqa: ASYNC110 - nobody is left who could tell
            await asyncio.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


async def test_what_was_committed_survives_a_kill() -> None:
    with running(durable=True) as cluster, fresh_database(cluster) as url:
        before = await asyncpg.connect(url)
        await before.execute("CREATE TABLE kept (number BIGINT); INSERT INTO kept VALUES (7)")
        await asyncio.to_thread(cluster.kill)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await before.fetch("SELECT 1")
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(url)
        await asyncio.to_thread(cluster.start)
        after = await asyncpg.connect(url)
        assert await after.fetchval("SELECT number FROM kept") == 7
        await after.close()


async def test_a_password_is_asked_for_on_tcp(postgresql: Cluster, postgresql_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgresql_url, password="a guess")
    connection = await asyncpg.connect(postgresql.socket_url(postgresql_url.rpartition("/")[2]))
    assert await connection.fetchval("SELECT current_user") == "receiver"
    await connection.close()


async def test_a_stalled_network_holds_everything_back_and_a_cut_one_refuses(
    postgresql: Cluster, postgresql_url: str
) -> None:
    async with cut_proxy(postgresql.port) as proxy:
        url = postgresql_url.replace(f":{postgresql.port}/", f":{proxy.port}/")
        connection = await asyncpg.connect(url)
        proxy.stall()
        asking = asyncio.create_task(connection.fetchval("SELECT 7"))
        done, _ = await asyncio.wait({asking}, timeout=0.2)
        assert not done
        await proxy.heal()
        assert await asking == 7
        proxy.cut()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.fetch("SELECT 1")
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(url)
        await proxy.heal()
        again = await asyncpg.connect(url)
        assert await again.fetchval("SELECT 1") == 1
        await again.close()


async def test_tls_is_checked_against_the_authority(postgresql: Cluster, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_bytes(issue().authority)
    name = postgresql.create_database()
    async with tls_front(postgresql.port, server_context(issue(), tmp_path)) as front:
        good = postgresql.url(name, port=front.port, options=f"sslmode=verify-full&sslrootcert={authority}")
        await (await asyncpg.connect(good)).close()
        (tmp_path / "other.pem").write_bytes(issue("127.0.0.2").authority)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncpg.connect(good.replace("authority.pem", "other.pem"))
    postgresql.drop_database(name)
    assert front.encrypted == 1
