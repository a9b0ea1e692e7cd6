"""Fetching from a local server that cuts connections, forgets ranges and keeps wrong checksums."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stackstudy.questions import fetch as module
from stackstudy.questions.fetch import fetch, fetch_dataset

CONTENT = bytes(range(256)) * 4000
SHA1, SHA256 = hashlib.sha1(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()
REVISION = "a" * 40


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `cut` bytes a connection, `refuse` so many requests, `ranges` understood or not."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cut, self.refuse, self.ranges, self.tag = None, 0, True, '"one"'
        self.sha1, self.sha256, self.requests = SHA1, SHA256, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        self.server.requests.append((self.command, self.path, self.headers.get("Range")))
        if self.path.endswith("_files.xml"):
            listing = f'<files><file name="dba.7z"><sha1>{self.server.sha1}</sha1></file></files>'
            return self.answer(200, listing.encode())
        if self.path.startswith("/api/"):
            return self.answer(200, json.dumps(self.about()).encode())
        if "nothing" in self.path:
            return self.answer(404, b"")
        if self.server.refuse:
            self.server.refuse -= 1
            return self.answer(503, b"")
        return self.send_content(body)

    def about(self):
        size, sha = len(CONTENT), self.server.sha256
        lfs = {"size": size, "sha256": sha, "oid": sha, "pointerSize": 130}
        if "/tree/" in self.path:
            return [{"type": "file", "path": "questions.parquet", "size": size, "oid": "b" * 40, "lfs": lfs}]
        files = [{"rfilename": "questions.parquet", "size": size, "blobId": "b" * 40, "lfs": lfs}]
        return {"id": "me/set", "sha": REVISION, "siblings": files, "cardData": {"license": "cc-by-sa-4.0"}}

    def send_content(self, body):
        start = 0
        if self.server.ranges and self.headers.get("If-Range", self.server.tag) == self.server.tag:
            start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        if start >= len(CONTENT):
            return self.answer(416, b"")
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.server.tag)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if body:
            stop = len(CONTENT) if self.server.cut is None else start + self.server.cut
            self.wfile.write(CONTENT[start:stop])
            self.close_connection = stop < len(CONTENT)
        return None

    def answer(self, code, content):
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_goes_on_after_each_cut(server, tmp_path):
    server.cut, server.refuse = 150_000, 3
    path = fetch(f"{server.url}/download/stackexchange/dba.7z", tmp_path)
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == ["dba.7z", "dba.7z.LICENCE.txt"]
    starts = [asked for _, url, asked in server.requests if url.endswith("dba.7z")]
    assert starts == [None] * 4 + [f"bytes={150_000 * cut}-" for cut in range(1, 7)]
    licence = (tmp_path / "dba.7z.LICENCE.txt").read_text()
    assert f"Origin: {server.url}/download/stackexchange/dba.7z" in licence
    assert f"sha256: {SHA256} (as archive.org says)" in licence
    assert "CC BY-SA" in licence
    assert "Attribution" in licence


def test_another_call_goes_on_and_a_third_fetches_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FAILURES", 1)
    server.cut = 400_000
    with pytest.raises(ValueError, match="400,000 bytes are here, the same call goes on from there"):
        fetch(f"{server.url}/dba.7z", tmp_path)
    server.cut = None
    assert fetch(f"{server.url}/dba.7z", tmp_path, SHA256).read_bytes() == CONTENT
    assert [asked for _, _, asked in server.requests] == [None, "bytes=400000-"]
    fetch(f"{server.url}/dba.7z", tmp_path, SHA256)
    assert len(server.requests) == 2


@pytest.mark.parametrize("change", [{"ranges": False}, {"tag": '"two"'}, {"tag": 'W/"weak"'}])
def test_no_ranges_or_another_version_begins_again(server, tmp_path, monkeypatch, change):
    monkeypatch.setattr(module, "FAILURES", 1)
    server.cut = 400_000
    with pytest.raises(ValueError, match="the same call"):
        fetch(f"{server.url}/dba.7z", tmp_path)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(b"x" * 400_000)  # of the version before
    vars(server).update(change, cut=None)
    assert fetch(f"{server.url}/dba.7z", tmp_path, SHA1).read_bytes() == CONTENT


def test_what_has_another_checksum_is_removed(server, tmp_path):
    server.sha1 = "0" * 40
    with pytest.raises(ValueError, match=f"sha1 {SHA1}, not {'0' * 40}; it is removed"):
        fetch(f"{server.url}/download/stackexchange/dba.7z", tmp_path)
    assert files(tmp_path) == []
    with pytest.raises(ValueError, match="abc is no md5, sha1 or sha256"):
        fetch(f"{server.url}/dba.7z", tmp_path, "abc")


def test_refusals_are_one_line(server, tmp_path):
    with pytest.raises(ValueError, match=r"nothing.7z: the server says 404"):
        fetch(f"{server.url}/nothing.7z", tmp_path)
    assert len(server.requests) == 1
    with pytest.raises(ValueError, match=r"has no file cooking.7z; it lists dba.7z"):
        fetch(f"{server.url}/download/stackexchange/cooking.7z", tmp_path)
    server.refuse = 99
    with pytest.raises(ValueError, match="HTTPStatusError 6 times in a row"):
        fetch(f"{server.url}/dba.7z", tmp_path)
    for source in ("dba", "a b/c", f"{server.url}/"):
        with pytest.raises(ValueError, match=r"is no site|names no file"):
            fetch(source, tmp_path)


def test_a_site_is_looked_for_in_the_archive(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ARCHIVE", f"{server.url}/nothing/")
    with pytest.raises(ValueError, match=r"nothing/dba.stackexchange.com.7z: the server says 404"):
        fetch("dba.stackexchange.com", tmp_path)


def test_a_data_set_comes_with_its_licence_and_is_checked(server, tmp_path):
    folder = fetch_dataset("me/set", tmp_path, server.url)
    assert (folder / "questions.parquet").read_bytes() == CONTENT
    licence = (tmp_path / "me--set.LICENCE.txt").read_text()
    assert f"Revision: {REVISION}" in licence
    assert "Licence: cc-by-sa-4.0" in licence
    (folder / "questions.parquet").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(ValueError, match=r"questions.parquet: what came has sha256"):
        fetch_dataset("me/set", tmp_path, server.url)
    with pytest.raises(ValueError, match="data set me/set: "):
        fetch_dataset("me/set", tmp_path, "http://127.0.0.1:9")
