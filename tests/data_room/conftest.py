"""Sources written for one test: a project folder with a YAML and a file."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

CSV_YAML = """\
name: Shop
format: csv
files: data/shop.csv
{settings}transactions:
  customer_id: customer
  occurred_at: day
  amount: amount
{columns}"""

MakeSource = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that is the working directory."""
    for folder in ("params/sources", "data"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def make_source(project: Path) -> MakeSource:
    """Writes data/shop.csv and params/sources/shop.yaml; gives the YAML's relative path."""

    def make(
        content: str | bytes,
        *,
        settings: str = "",
        columns: str = "",
        encoding: str = "utf-8",
        zipped: bool = False,
    ) -> str:
        data = content if isinstance(content, bytes) else content.encode(encoding)
        name = "shop.csv.gz" if zipped else "shop.csv"
        (project / "data" / name).write_bytes(gzip.compress(data) if zipped else data)
        if settings and not settings.endswith("\n"):
            settings += "\n"
        text = CSV_YAML.format(settings=settings, columns=columns)
        text = text.replace("shop.csv", name)
        (project / "params/sources/shop.yaml").write_text(text, encoding="utf-8")
        return "params/sources/shop.yaml"

    return make


# Real servers, started for the tests


def _missing(reason: str) -> NoReturn:
    if os.environ.get("RELKIT_REQUIRE_SERVERS"):
        pytest.fail(f"RELKIT_REQUIRE_SERVERS is set, but {reason}")
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL of our own, user `reader`, password `s3cret`."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (str(folders[-1]) if folders else None)
    if found is None:
        _missing("there is no PostgreSQL; on Debian: apt-get install postgresql")
    programs = Path(found).resolve().parent
    # The server refuses to run as root, so its folder belongs to the user that runs it.
    home = Path(tempfile.mkdtemp(prefix="relkit-postgres-"))
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(home, "postgres")
    secret = home / "password"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    port = _free_port()

    def call(program: str, *words: str) -> None:
        command = [*user, str(programs / program), *words]
        subprocess.run(command, check=True, cwd=home, capture_output=True)

    data = str(home / "data")
    call("initdb", "-D", data, "-U", "reader", "--pwfile", str(secret), "-A", "scram-sha-256")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {home} -c fsync=off"
    call("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(home / "log"), "start")
    try:
        yield f"postgres://reader:s3cret@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def spark_session() -> Iterator[Any]:
    """Spark in local mode on the installed Java."""
    if shutil.which("java") is None:
        _missing("there is no Java")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyspark.sql import SparkSession
    except ImportError:
        _missing("pyspark is not installed; install the extra: relkit[spark]")
    builder = SparkSession.builder.master("local[1]").appName("relkit tests")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
