"""Archives that have the same bytes for the same files, and reading what is in an archive."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from dist.elf import MAGIC


def write_tar(path: Path, folder: str, files: dict[str, tuple[bytes, int]], epoch: int) -> None:
    """Writes a `.tar.gz` of `folder` with the files, each its content and mode, all of the time `epoch` and of root."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (data, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(data)
            entry.mode = mode
            entry.mtime = epoch
            entry.uname = entry.gname = "root"
            archive.addfile(entry, io.BytesIO(data))
    # The header of gzip has a name and a time, too.
    with path.open("wb") as file, gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=epoch) as packed:
        packed.write(content.getvalue())


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a zip or a `.tar.gz`, by name."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)
    else:
        with tarfile.open(path, "r:gz") as archive:
            for entry in archive:
                if (file := archive.extractfile(entry)) is not None:
                    yield entry.name, file.read()


def programs(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive that are programs (ELF)."""
    return ((name, data) for name, data in members(path) if data.startswith(MAGIC))
