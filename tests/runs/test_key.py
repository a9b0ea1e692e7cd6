"""What changes a key, and what does not."""

import pytest

from stackstudy.runs import key as keys
from stackstudy.runs.key import Modules, differences, key_of, keys_of
from stackstudy.runs.profile import load_profile

FILES = {
    "__init__.py": "",
    "params.py": "A = 1",
    "runs/__init__.py": "from . import runner, products",
    "runs/runner.py": "from stackstudy import params",
    "runs/products.py": "DPI = 200",
    "models/__init__.py": "",
    "models/mlp.py": "from stackstudy.models import base\nfrom ..shapes import square\n",
    "models/base.py": "B = 1",
    "models/tree.py": "C = 1",
    "models/table.yaml": "rows: 1",
    "shapes.py": "def square(x):\n    import stackstudy.lazy\n    return x * x\n",
    "lazy.py": "import numpy",
    "unused.py": "",
}
NOTEBOOK = "from stackstudy import runs\nfrom stackstudy.models.mlp import Mlp\nimport numpy\n"


@pytest.fixture
def package(tmp_path):
    root = tmp_path / "stackstudy"
    for name, source in FILES.items():
        path = root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(source)
    return root


def test_modules_are_those_imported_directly_or_not_without_machinery(package):
    assert list(Modules(package).used_by(NOTEBOOK)) == [
        "stackstudy",
        "stackstudy.lazy",
        "stackstudy.models",
        "stackstudy.models.base",
        "stackstudy.models.mlp",
        "stackstudy.runs.products",
        "stackstudy.shapes",
        "stackstudy/models/table.yaml",
    ]


@pytest.mark.parametrize(
    ("file", "source", "changed"),
    [
        ("models/base.py", "B = 2", ["stackstudy.models.base"]),
        ("models/base.py", "# why\nB = (\n    1\n)", []),
        ("shapes.py", '"""Of shapes."""\n\n\n' + FILES["shapes.py"].replace("    imp", "    'Of x.'\n    imp"), []),
        ("models/tree.py", "C = 2", []),
        ("models/table.yaml", "rows: 2", ["stackstudy/models/table.yaml"]),
        ("lazy.py", "import numpy, scipy", ["stackstudy.lazy"]),
        ("runs/runner.py", "X = 1", []),
        ("runs/products.py", "DPI = 300", ["stackstudy.runs.products"]),
        ("params.py", "A = 2", []),
    ],
)
def test_only_a_change_of_used_code_counts(package, file, source, changed):
    before = Modules(package).used_by(NOTEBOOK)
    (package / file).write_text(source)
    after = Modules(package).used_by(NOTEBOOK)
    assert [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)] == changed


def test_differences_name_each_component(project):
    old = keys_of(load_profile("toy").experiments)
    project.notebook("02-second", extra="1 + 1")
    project.profile(defaults={"amount": 7, "seeds": [0, 1]})
    (project.root / "requirements.txt").write_text("numpy==1.1\nrich==2.0\n")
    new = keys_of(load_profile("toy").experiments)
    pin = "pin numpy 1.0 -> 1.1"
    assert differences(old["01-first"], new["01-first"]) == ["parameter amount 3 -> 7", pin]
    assert differences(old["02-double"], new["02-double"]) == ["notebook changed", "upstream 01-first changed", pin]
    third = differences(old["03-third"], new["03-third"])
    assert third == ["parameter seeds [0] -> [0, 1]", "upstream 02-double changed", pin]


def test_outputs_comments_in_pins_and_a_default_that_is_overridden_do_not_count(project):
    project.profile(defaults={"amount": 9})
    old = keys_of(load_profile("toy").experiments)
    project.notebook("01-first", amount=4)
    (project.root / "requirements.txt").write_text("# other\nrich==2.0\nnumpy==1.0\n")
    new = keys_of(load_profile("toy").experiments)
    assert {name: key.value for name, key in old.items()} == {name: key.value for name, key in new.items()}


def test_key_survives_writing_and_reading(project, tmp_path):
    experiment = load_profile("toy").experiments["03-third"]
    key = key_of(experiment, {"02-double": "abc"}, Modules())
    key.save(tmp_path)
    loaded = keys.Key.load(tmp_path)
    assert (loaded.value, loaded.notebook) == (key.value, "03-third")


def test_content_of_an_outside_source_counts_and_is_hashed_once(project, tmp_path, monkeypatch):
    data = tmp_path / "dump" / "Posts.xml"
    data.parent.mkdir()
    data.write_text("one")
    experiments = load_profile("toy", data).experiments
    old = keys_of(experiments)["01-first"]
    with monkeypatch.context() as patch:
        patch.setattr(keys, "_file_sha256", lambda path: pytest.fail(f"{path} was read again"))
        assert keys_of(experiments)["01-first"].value == old.value
    data.write_text("other")
    assert differences(old, keys_of(experiments)["01-first"]) == ["source changed"]
    assert data.parent.name not in str(keys_of(experiments)["01-first"].components)
    folder = keys.content_hash(data.parent)
    (data.parent / "Tags.xml").write_text("more")
    assert keys.content_hash(data.parent) != folder


def test_questions_that_are_not_at_hand_count_as_they_were(project, tmp_path):
    data = tmp_path / "Posts.xml"
    data.write_text("one")
    made = keys_of(load_profile("toy", data).experiments)
    content = made["01-first"].components["source"]
    data.unlink()
    elsewhere = load_profile("toy", tmp_path / "moved" / "Posts.xml", at_hand=False).experiments
    assert keys_of(elsewhere, content) == made
    renamed = load_profile("toy", tmp_path / "Questions.xml", at_hand=False).experiments
    assert differences(made["01-first"], keys_of(renamed, content)["01-first"]) == [
        "parameter source Posts.xml -> Questions.xml"
    ]
