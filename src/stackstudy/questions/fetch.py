"""Fetch questions from outside: a Stack Exchange dump from archive.org, or a data set of the Hugging Face hub.

A download that was cut goes on where it stopped, also in another call; its checksum is compared with the archive's;
beside it comes a file that says whose text it is and under which licence.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
from lxml import etree

from stackstudy.paths import replacing
from stackstudy.runs.progress import report

ARCHIVE = "https://archive.org/download/stackexchange/"
SITE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(com|net)")
DATASET = re.compile(r"[\w.-]+/[\w.-]+")
FAILURES = 6  # in a row, without a new byte between them
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds; it doubles with each failure
LICENCE = """\
Licence: Creative Commons Attribution-ShareAlike (CC BY-SA): version 4.0 for posts since 2018-05-02,
3.0 for those since 2011-04-08, 2.5 before (https://stackoverflow.com/help/licensing).
Attribution: whoever shows a post names Stack Exchange as its origin, links to the original question or answer,
and names its author with a link to the author's profile; what is made from it has the same licence."""


def fetch(source: str, folder: Path, checksum: str | None = None) -> Path:
    """Fetch `source` into `folder`; return the path of what came, a file or the folder of a data set.

    `source`: a site (``dba.stackexchange.com``), the address of a file, or a data set of the Hugging Face hub
    (``owner/name``). `checksum`, md5, sha1 or sha256 in hexadecimal, of a file for which the archive names none.
    ValueError: nothing of that kind, not to be had, or another content than its checksum says.
    """
    if source.startswith(("http://", "https://")):
        return fetch_file(source, folder, checksum)
    if SITE.fullmatch(source):
        return fetch_file(urljoin(ARCHIVE, f"{source}.7z"), folder, checksum)
    if DATASET.fullmatch(source) and checksum is None:
        return fetch_dataset(source, folder)
    raise ValueError(f"{source} is no site (dba.stackexchange.com), address (https://...) or data set (owner/name)")


def fetch_file(url: str, folder: Path, checksum: str | None = None) -> Path:
    """Fetch one file; see `fetch`."""
    name = Path(urlsplit(url).path).name
    if not name:
        raise ValueError(f"{url} names no file")
    target = Path(folder) / name
    with httpx2.Client(follow_redirects=True, timeout=30) as client:
        expected = checksum or _archived_checksum(client, url, name)
        if not target.exists():
            part = target.with_name(f".{name}.part")
            _download(client, url, part)
            _check(part, expected, url)
            part.replace(target)
            _version_file(part).unlink()
        else:
            _check(target, expected, url)
    verified = f"as {'the call' if checksum else 'archive.org'} says" if expected else "nobody says what it should be"
    _write_licence(target, [f"Origin: {url}", f"sha256: {_hash(target, 'sha256')} ({verified})"], LICENCE)
    return target


def fetch_dataset(name: str, folder: Path, endpoint: str | None = None) -> Path:
    """Fetch a data set of the Hugging Face hub, or of another `endpoint` with its interface; see `fetch`."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    target = Path(folder) / name.replace("/", "--")
    try:
        about = HfApi(endpoint=endpoint).dataset_info(name, files_metadata=True)
        snapshot_download(name, repo_type="dataset", revision=about.sha, local_dir=target, endpoint=endpoint)
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise ValueError(f"data set {name}: {type(error).__name__}: {error}") from error
    for file in about.siblings or []:
        if file.lfs is not None:
            _check(target / file.rfilename, file.lfs.sha256, f"{name}, {file.rfilename}")
    licence = (about.card_data and about.card_data.license) or "not stated"
    origin = [f"Origin: Hugging Face data set {name}", f"Revision: {about.sha}"]
    _write_licence(target, origin, f"Licence: {licence}, by its card (README.md), which also says whose work it is")
    return target


def _download(client: httpx2.Client, url: str, part: Path) -> None:
    """Make `part` complete, through any number of cuts, as long as each try brings it further."""
    part.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = _size(part)
        try:
            return _continue(client, url, part)
        except httpx2.HTTPError as error:
            _give_up_on_refusal(url, error)
            failures = 1 if _size(part) > before else failures + 1
            if failures >= FAILURES:
                raise ValueError(
                    f"{url}: {type(error).__name__} {failures} times in a row ({error}); "
                    f"{_size(part):,} bytes are here, the same call goes on from there"
                ) from error
            time.sleep(min(FIRST_WAIT * 2 ** (failures - 1), LONGEST_WAIT))


def _continue(client: httpx2.Client, url: str, part: Path) -> None:
    """Ask for what is missing of `part`, and append it; if the file has changed there, begin again."""
    mark, have = _version_file(part), _size(part)
    version = mark.read_text(encoding="utf-8") if mark.exists() else ""
    headers = {"Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:  # it is complete already
            return
        response.raise_for_status()
        resumed = response.status_code == httpx2.codes.PARTIAL_CONTENT
        done = have if resumed else 0
        total = done + int(response.headers.get("Content-Length", 0))
        mark.write_text(_strong_version(response), encoding="utf-8")
        with part.open("ab" if resumed else "wb") as file:
            for block in response.iter_raw():  # as it comes: what waits for a larger block is lost in a cut
                file.write(block)
                done += len(block)
                report(f"fetch {part.name[1:-5]}", done, max(total, done + 1))
    if total and done != total:
        raise httpx2.ReadError(f"{done:,} of {total:,} bytes came")
    report(f"fetch {part.name[1:-5]}", done, done)


def _version_file(part: Path) -> Path:
    return part.with_suffix(".version")


def _strong_version(response: httpx2.Response) -> str:
    """Return what tells versions of the file apart, for ``If-Range``; a weak tag does not."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _give_up_on_refusal(url: str, error: httpx2.HTTPError) -> None:
    """Raise ValueError for an answer that another try will not change."""
    if isinstance(error, httpx2.UnsupportedProtocol):
        raise ValueError(f"{url}: {error}") from error
    if isinstance(error, httpx2.HTTPStatusError):
        code = error.response.status_code
        if code < 500 and code not in (httpx2.codes.REQUEST_TIMEOUT, httpx2.codes.TOO_MANY_REQUESTS):
            raise ValueError(f"{url}: the server says {code} {error.response.reason_phrase}") from error


def _archived_checksum(client: httpx2.Client, url: str, name: str) -> str | None:
    """Return the sha1 that archive.org keeps of a file: ``<item>_files.xml`` lies beside the files of each item."""
    match = re.match(r"(.*/download/([^/]+)/)", url)
    if match is None:
        return None
    try:
        response = client.get(f"{match[1]}{match[2]}_files.xml").raise_for_status()
    except httpx2.HTTPError as error:
        raise ValueError(f"{match[1]}: its list of checksums is not to be had ({error}); try again later") from error
    for file in etree.fromstring(response.content).iter("file"):
        if file.get("name") == name:
            return file.findtext("sha1")
    raise ValueError(f"{match[1]} has no file {name}; it lists {', '.join(_listed(response.content)) or 'none'}")


def _listed(listing: bytes) -> Iterator[str]:
    names = sorted(file.get("name", "") for file in etree.fromstring(listing).iter("file"))
    yield from names[:5]
    if len(names) > 5:
        yield "..."


def _check(path: Path, expected: str | None, what: str) -> None:
    """Compare a file with its checksum; remove it if that is another."""
    if expected is None:
        return
    kind = {32: "md5", 40: "sha1", 64: "sha256"}.get(len(expected))
    if kind is None:
        raise ValueError(f"{expected} is no md5, sha1 or sha256: those have 32, 40 or 64 hexadecimal digits")
    if (found := _hash(path, kind)) != expected.lower():
        path.unlink()
        _version_file(path).unlink(missing_ok=True)
        raise ValueError(f"{what}: what came has {kind} {found}, not {expected}; it is removed, fetch it again")


def _write_licence(target: Path, origin: list[str], licence: str) -> None:
    with replacing(target.with_name(f"{target.name}.LICENCE.txt")) as fresh:
        lines = [*origin, f"Fetched: {datetime.now(UTC):%Y-%m-%d}", licence]
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _hash(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
