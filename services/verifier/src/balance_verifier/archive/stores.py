"""Where an archive's files are: a folder, or any object store that obstore reaches.

Promise: a file is there whole or not at all, and after `flush` all files written before it outlast a power cut.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from balance_verifier.errors import ArchiveUnreadable, StoreUnavailable

PARTIAL = ".partial"
"""What a file is called in a folder while it is being written; such names are no part of an archive."""


PUTS_AT_ONCE = 16
"""Files that go to an object store at the same time: each waits a round trip."""


class Store(Protocol):
    """The files of one archive, by path."""

    def get(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none."""

    def put(self, path: str, data: bytes) -> None:
        """Write a whole file in place of whatever was there."""

    def flush(self) -> None:
        """What was written is safe."""

    def paths(self) -> Iterator[str]:
        """Every file."""


def open_store(location: str, *, create: bool = False) -> Store:
    """A folder, or what a URL such as s3://bucket/prefix names."""
    if "://" in location:
        return ObjectStore(location)
    folder = Path(location)
    if create:
        folder.mkdir(parents=True, exist_ok=True)
    elif not folder.is_dir():
        raise ArchiveUnreadable(location, "there is no such folder", "give an archive's folder or URL")
    return FolderStore(folder)


def read(store: Store, path: str) -> bytes:
    """A file that must be there."""
    data = store.get(path)
    if data is None:
        raise ArchiveUnreadable(path, "is missing", "restore it from another copy")
    return data


class FolderStore:
    """An archive in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: set[Path] = set()

    def get(self, path: str) -> bytes | None:
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def put(self, path: str, data: bytes) -> None:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + PARTIAL)
        partial.write_bytes(data)
        partial.replace(target)
        self._written.add(target)

    def flush(self) -> None:
        folders = {parent for file in self._written for parent in file.parents if parent.is_relative_to(self._folder)}
        for path in (*self._written, *folders):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        self._written.clear()

    def paths(self) -> Iterator[str]:
        for folder, _, names in os.walk(self._folder):
            for name in names:
                if not name.endswith(PARTIAL):
                    yield (Path(folder) / name).relative_to(self._folder).as_posix()


class ObjectStore:
    """An archive in an object store; several puts are on their way at once, and `flush` waits for all of them."""

    def __init__(self, url: str) -> None:
        with _answers(url):
            self._store = from_url(url)
        self._threads = ThreadPoolExecutor(PUTS_AT_ONCE, thread_name_prefix="archive-put")
        self._on_their_way: deque[Future[None]] = deque()

    def get(self, path: str) -> bytes | None:
        with _answers(path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError:
                return None

    def put(self, path: str, data: bytes) -> None:
        while len(self._on_their_way) >= 2 * PUTS_AT_ONCE:
            self._on_their_way.popleft().result()
        self._on_their_way.append(self._threads.submit(self._put, path, data))

    def flush(self) -> None:
        while self._on_their_way:
            self._on_their_way.popleft().result()

    def _put(self, path: str, data: bytes) -> None:
        with _answers(path):
            obstore.put(self._store, path, data)

    def paths(self) -> Iterator[str]:
        with _answers("list"):
            for batch in obstore.list(self._store):
                for item in batch:
                    yield item["path"]


@contextmanager
def _answers(what: str) -> Iterator[None]:
    # All that obstore raises derives from this class, which its type hints do not say.
    failures: tuple[type[Exception], ...] = (cast(type[Exception], BaseError), ValueError)
    try:
        yield
    except failures as error:
        raise StoreUnavailable(
            what, f"object store: {error}", "see that the URL is right and the store is up"
        ) from None
