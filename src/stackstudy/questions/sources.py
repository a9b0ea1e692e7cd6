"""What a source on the command line stands for: which files, of which kind and site, and their rows in pieces."""

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from stackstudy.questions import dump, tables
from stackstudy.questions.records import POSTS_COLUMNS, Batch, Parsed

RANGE_BYTES = 4 << 20
KINDS = "a Posts.xml, a .7z of one, a folder of sites, a .csv, a .parquet, or the word: planted"
_EXPORTS = ("Posts", "QueryResults", "Questions")


@dataclass(frozen=True)
class SourceFile:
    """One file to read; `label` is what messages call it (an archive, where `path` is its extracted part)."""

    path: Path
    label: str
    kind: Literal["dump", "csv", "parquet"]
    site: str
    optional: tuple[str, ...] = ()  # labels that a question may lack

    @property
    def size(self) -> int:
        """Return bytes to read, for progress; of a parquet file those it unpacks to."""
        return tables.parquet_size(self.path) if self.kind == "parquet" else self.path.stat().st_size


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of one file: a byte range to read, or rows that are read already."""

    file: SourceFile
    content: tuple[int, int] | list[Any] | pa.RecordBatch

    @property
    def size(self) -> int:
        """Return about how much of the file's `size` this is."""
        if isinstance(self.content, pa.RecordBatch):
            return self.content.nbytes
        if isinstance(self.content, tuple):
            return self.content[1] - self.content[0]
        return sum(len(value) for row in self.content if isinstance(row, dict) for value in row.values())

    def parse(self) -> Parsed:
        """Return the parsed rows; a fault of the whole file is a ValueError."""
        file, content = self.file, self.content
        if file.kind == "dump":
            return dump.read_range(file.path, file.label, self._batch, *content)
        read = tables.read_csv_rows if file.kind == "csv" else tables.read_parquet_rows
        return read(content, self._batch())

    def _batch(self) -> Batch:
        """Return an empty batch for the rows."""
        file, names = self.file, POSTS_COLUMNS
        if isinstance(self.content, pa.RecordBatch):
            names = tables.parquet_names(self.content.schema.names)
        return Batch(file.label, file.site, names, file.optional)


def pieces(file: SourceFile) -> Iterator[Piece]:
    """Yield the rows of a file in order; how they are cut depends on the file alone."""
    if file.kind == "dump":
        contents = dump.posts_ranges(file.path, file.label, RANGE_BYTES)
    elif file.kind == "csv":
        contents = tables.csv_batches(file.path, file.label, file.optional)
    else:
        contents = tables.parquet_batches(file.path, file.label, file.site, file.optional)
    return (Piece(file, content) for content in contents)


def find_files(source: str | Path, site: str | None, scratch: Path) -> list[SourceFile]:
    """Return the files of one source, archives extracted into `scratch`; a ValueError if there is nothing to read."""
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; a source is {KINDS}")
    if not path.is_dir():
        return [_one_file(path, site, scratch)]
    if (path / "Questions.csv").exists():
        return [_one_file(path / "Questions.csv", site, scratch)]
    if (path / "Posts.xml").exists():
        return [_one_file(path / "Posts.xml", site, scratch)]
    dumps = [entry for item in sorted(path.iterdir()) if (entry := _dump_in_folder(item)) is not None]
    if not dumps:
        raise ValueError(f"{path}: no Posts.xml, Questions.csv or .7z archive of a site in this folder")
    if site and len(dumps) > 1:
        raise ValueError(f"{path}: holds {len(dumps)} sites, so --site {site} cannot be the name of all")
    return [_one_file(entry, site, scratch) for entry in dumps]


def site_name(path: Path) -> str:
    """Return the site that a file's name tells, or else its folder's: ``beer.stackexchange.com-Posts.7z``."""
    stem = path.name.removesuffix(path.suffix)
    for export in _EXPORTS:
        stem = stem.removesuffix(export)
    return stem.rstrip("-_ ") or path.resolve().parent.name


def _dump_in_folder(item: Path) -> Path | None:
    if item.is_dir():
        return item / "Posts.xml" if (item / "Posts.xml").exists() else None
    if item.suffix == ".7z":
        return item if "Posts.xml" in _archive_names(item) else None
    return item if item.name.endswith("Posts.xml") else None


def _one_file(path: Path, site: str | None, scratch: Path) -> SourceFile:
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    name = site or site_name(path)
    if path.suffix == ".7z":
        return SourceFile(_extract(path, scratch), str(path), "dump", name)
    if path.suffix == ".xml":
        return SourceFile(path, str(path), "dump", name)
    if path.suffix == ".csv":
        return SourceFile(path, str(path), "csv", name)
    if path.suffix == ".parquet":
        return SourceFile(path, str(path), "parquet", site or "")
    raise ValueError(f"{path}: unknown kind of file {path.suffix!r}; a source is {KINDS}")


def _archive_names(path: Path) -> list[str]:
    import py7zr  # slow to import, and workers have no need of it

    try:
        with py7zr.SevenZipFile(path) as archive:
            return archive.getnames()
    except (py7zr.exceptions.ArchiveError, lzma.LZMAError, EOFError, OSError) as error:
        raise ValueError(f"{path}: damaged or no 7z archive: {error}") from error


def _extract(path: Path, scratch: Path) -> Path:
    """Write the archive's Posts.xml into a folder of its own below `scratch`, in blocks."""
    import py7zr

    if "Posts.xml" not in _archive_names(path):
        raise ValueError(f"{path}: holds no Posts.xml")
    folder = scratch / f"{len(list(scratch.iterdir())):05d}"
    try:
        with py7zr.SevenZipFile(path) as archive:
            archive.extract(folder, targets=["Posts.xml"])
    except (py7zr.exceptions.ArchiveError, lzma.LZMAError, EOFError, OSError) as error:
        raise ValueError(f"{path}: damaged archive, Posts.xml cannot be extracted: {error}") from error
    return folder / "Posts.xml"
