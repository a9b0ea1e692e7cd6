from pathlib import Path

import py7zr
import pytest

from stackstudy.questions.ingest import ingest
from stackstudy.questions.schema import read_questions
from stackstudy.questions.sources import site_name


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "questions.parquet"


@pytest.fixture
def archive(tmp_path, make):
    def write(name, member="Posts.xml"):
        posts = make.posts(tmp_path / "plain" / "Posts.xml", [make.question(number) for number in range(1, 60)])
        (tmp_path / "dumps").mkdir(exist_ok=True)
        with py7zr.SevenZipFile(tmp_path / "dumps" / name, "w") as file:
            file.write(posts, member)
        return tmp_path / "dumps" / name

    return write


def test_archives_alone_and_in_a_folder(tmp_path, out, archive, make):
    path = archive("beer.stackexchange.com.7z")
    assert ingest([path], out).questions == 59
    assert set(read_questions(out)["site"]) == {"beer.stackexchange.com"}
    archive("stackoverflow.com-Posts.7z")
    archive("stackoverflow.com-Users.7z", "Users.xml")
    make.posts(tmp_path / "dumps" / "wine" / "Posts.xml", [make.question(1)])
    make.posts(tmp_path / "dumps" / "tea-Posts.xml", [make.question(1)])
    assert ingest([tmp_path / "dumps"], out).questions == 120
    sites = read_questions(out)["site"].unique(maintain_order=True).to_list()
    assert sites == ["beer.stackexchange.com", "stackoverflow.com", "tea", "wine"]
    assert [file.name for file in sorted(out.parent.iterdir())] == ["questions.parquet", "rejects.jsonl"]


@pytest.mark.parametrize("damage", ["head", "middle", "tail", "everything"])
def test_a_damaged_archive(out, archive, damage):
    path = archive("beer.7z")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    if damage == "tail":
        data = data[:middle]
    elif damage == "everything":
        data = b"no archive at all"
    else:
        at = 3 if damage == "head" else middle
        data[at : at + 8] = bytes(255 - byte for byte in data[at : at + 8])
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"beer.7z: damaged"):
        ingest([path], out)
    assert not out.exists()


def test_an_archive_without_posts(tmp_path, out, archive):
    with pytest.raises(ValueError, match=r"beer.7z: holds no Posts.xml"):
        ingest([archive("beer.7z", "Users.xml")], out)
    with pytest.raises(ValueError, match=r"no Posts.xml, Questions.csv or .7z archive"):
        ingest([tmp_path / "dumps"], out)


def test_what_is_no_source(tmp_path, out):
    (tmp_path / "posts.docx").write_text("words")
    with pytest.raises(ValueError, match=r"posts.docx: unknown kind of file '.docx'; a source is"):
        ingest([tmp_path / "posts.docx"], out)
    with pytest.raises(FileNotFoundError, match=r"none.xml: no such file"):
        ingest([tmp_path / "none.xml"], out)
    with pytest.raises(ValueError, match="no source"):
        ingest([], out)


@pytest.mark.parametrize(
    ("path", "site"),
    [
        ("dumps/beer.stackexchange.com.7z", "beer.stackexchange.com"),
        ("dumps/stackoverflow.com-Posts.7z", "stackoverflow.com"),
        ("beer/Posts.xml", "beer"),
        ("x/beer-Posts.xml", "beer"),
        ("x/QueryResults.csv", "x"),
        ("stacksample/Questions.csv", "stacksample"),
    ],
)
def test_site_names(path, site):
    assert site_name(Path(path)) == site
