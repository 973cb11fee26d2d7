"""What a test needs of the machine. A test that cannot run says so by a reason that starts with "needs"."""

from __future__ import annotations

import functools
import gc
import shutil
import warnings
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKETS = REPOSITORY.parent / "shared" / "data" / "recap"
"""The real dockets, where they are present."""
DOCKER_SECONDS = 2


@functools.cache
def docker_answers() -> bool:
    """Whether a Docker engine answers."""
    import docker
    from docker.errors import DockerException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a client without an engine leaves its socket open
        try:
            client = docker.from_env(timeout=DOCKER_SECONDS)
            try:
                return bool(client.ping())
            finally:
                client.close()
        except (DockerException, OSError):
            return False
        finally:
            gc.collect()


needs_dockets = pytest.mark.skipif(not DOCKETS.is_dir(), reason="needs the real dockets in ../shared/data/recap")
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
