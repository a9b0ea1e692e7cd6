"""The key of a run: everything that its results depend on, so that an unchanged one is not run again."""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import stackstudy
from stackstudy.paths import project_root
from stackstudy.runs.environment import PACKAGES
from stackstudy.runs.folder import BY_HAND, failure
from stackstudy.runs.notebook import python_of, read_notebook
from stackstudy.runs.products import save_json
from stackstudy.runs.profile import PLANTED, Experiment

# These start, check and record runs; what a notebook takes from them is in the key as parameters and products.
MACHINERY = ("stackstudy.params", "stackstudy.cli", "stackstudy.runs")
NOT_MACHINERY = "stackstudy.runs.products"


@dataclass(frozen=True)
class Key:
    """The components of a key, and the notebook that they belong to; `value` is the hash of the components."""

    notebook: str
    components: dict[str, Any]

    @cached_property
    def value(self) -> str:
        return _sha256(json.dumps(self.components, sort_keys=True).encode())

    def content(self) -> dict[str, Any]:
        """Return all as JSON can hold it."""
        return {"key": self.value, "notebook": self.notebook, "components": self.components}

    def save(self, folder: Path) -> None:
        save_json(self.content(), folder / "key.json")

    @classmethod
    def load(cls, folder: Path) -> "Key | None":
        path = folder / "key.json"
        if not path.exists():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["notebook"], content["components"])


class _Module(NamedTuple):
    """What one module contains, and which modules it imports."""

    hash: str
    imports: frozenset[str]


class Modules:
    """The modules of the package, as read from disk once: what they import and what they contain."""

    def __init__(self, package: Path | None = None) -> None:
        self.package = package or Path(stackstudy.__file__).parent
        self._known: dict[str, _Module] = {}

    def used_by(self, code: str) -> dict[str, str]:
        """Return the hashes of the modules that `code` imports, directly or not, and of the data files beside them."""
        waiting = list(self._imports(ast.parse(code), package=""))
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += self._module(name).imports
        counted = sorted(name for name in seen if not _is_machinery(name))
        return {name: self._module(name).hash for name in counted} | self._data_hashes(counted)

    def _module(self, name: str) -> "_Module":
        if name not in self._known:
            path = self._path(name)
            tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            # Of the syntax tree: a comment, a docstring or a new line break is no reason to train again.
            hashed = _sha256(ast.dump(tree).encode())
            self._known[name] = _Module(hashed, frozenset(self._imports(tree, package)))
        return self._known[name]

    def _path(self, name: str) -> Path:
        """Return the file of a module; one that does not exist when there is no such module."""
        base = self.package.parent.joinpath(*name.split("."))
        return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")

    def _imports(self, tree: ast.Module, package: str) -> Iterator[str]:
        """Yield the modules of this package that `tree` imports anywhere, with the packages around them."""
        for node in ast.walk(tree):
            for name in _imported_names(node, package):
                parts = name.split(".")
                if parts[0] == self.package.name:
                    prefixes = (".".join(parts[: i + 1]) for i in range(len(parts)))
                    yield from (prefix for prefix in prefixes if self._path(prefix).is_file())

    def _data_hashes(self, modules: list[str]) -> dict[str, str]:
        folders = sorted({self._path(name).parent for name in modules})
        files = (file for folder in folders for file in _data_files(folder))
        return {str(file.relative_to(self.package.parent)): _sha256(file.read_bytes()) for file in files}


def key_of(
    experiment: Experiment, upstream: Mapping[str, str], modules: Modules, source_hash: str | None = None
) -> Key:
    """Return the key of an experiment, given those of the experiments that it needs.

    Questions from outside count by their content and the name of the file, wherever it lies; where they are not at
    hand, `source_hash` says what their content was.
    """
    code = read_notebook(experiment.notebook).code
    parameters = experiment.parameters
    source = getattr(parameters, "source", PLANTED)
    return Key(
        experiment.notebook.stem,
        {
            "notebook": _sha256("\n".join(code).encode()),
            "parameters": without_folder(parameters.model_dump(mode="json")),
            "products": list(parameters.products),
            "modules": modules.used_by(python_of(code)),
            "upstream": {name: upstream[name] for name in experiment.upstream},
            "source": None if source == PLANTED else source_hash or content_hash(Path(source)),
            "pins": _pins(),
        },
    )


def keys_of(experiments: Mapping[str, Experiment], source_hash: str | None = None) -> dict[str, Key]:
    """Return the key of every experiment; they come in an order in which they can run."""
    modules = Modules()
    keys: dict[str, Key] = {}
    for name, experiment in experiments.items():
        upstream = {other: key.value for other, key in keys.items()}
        keys[name] = key_of(experiment, upstream, modules, source_hash)
    return keys


def without_folder(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters whose ``source``, if they have one, is a name: its folder is this machine's affair."""
    return dict(parameters) | ({"source": Path(parameters["source"]).name} if "source" in parameters else {})


@cache
def code_hash(*names: str) -> str:
    """Return a hash of modules, of those that they import from this package, and of the libraries they run on.

    For what outlives a run: a result that has been computed by this code needs no second computation.
    """
    code = Modules().used_by("\n".join(f"import {name}" for name in names))
    return _sha256(json.dumps([code, {name: metadata.version(name) for name in PACKAGES}], sort_keys=True).encode())


def finished_key(folder: Path) -> str | None:
    """Return the key with which the run in `folder` ended, None when it did not end."""
    done = folder / "DONE"
    return done.read_text(encoding="utf-8").strip() if done.exists() else None


def reasons_to_run(folder: Path, key: Key) -> list[str]:
    """Return why an experiment must run, in words; an empty list when its results are at hand."""
    finished, old = finished_key(folder), Key.load(folder)
    if finished == key.value:
        return []
    if finished == BY_HAND:
        return ["was last run by hand"]
    if old is None:
        return ["never run"]
    if failure(folder):
        return ["failed last time", *differences(old, key)]
    return differences(old, key) or ["did not finish last time"]


def differences(old: Key, new: Key) -> list[str]:
    """Return what changed between two keys, a line per component."""
    was, now = old.components, new.components
    lines = [f"{name} changed" for name in ("notebook", "products", "source") if was[name] != now[name]]
    for name, before, after in _changed(was["parameters"], now["parameters"]):
        lines.append(f"parameter {name} {before} -> {after}")
    lines += [
        f"module {name} {_verb(before, after)}" for name, before, after in _changed(was["modules"], now["modules"])
    ]
    lines += [f"upstream {name} {_verb(b, a)}" for name, b, a in _changed(was["upstream"], now["upstream"])]
    return lines + [f"pin {name} {before} -> {after}" for name, before, after in _changed(was["pins"], now["pins"])]


def content_hash(path: Path) -> str:
    """Return the sha256 of a file, or of a folder's files and their names.

    Remembered by path, size and time of change in ``runs/``, since dumps have gigabytes.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    memory = project_root() / "runs" / ".content-hashes.json"
    known = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    found = {}
    for file in files:
        stat = file.stat()
        mark = f"{file} {stat.st_size} {stat.st_mtime_ns}"
        found[str(file)] = known[mark] = known.get(mark) or _file_sha256(file)
    save_json(known, memory)
    names = [f"{Path(name).relative_to(path)} {sha}" for name, sha in found.items()]
    return _sha256("\n".join(names).encode())


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Return `tree` without the docstrings in it."""
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree


def _imported_names(node: ast.AST, package: str) -> list[str]:
    """Return the dotted names that an import in a module of `package` may mean."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def _is_machinery(name: str) -> bool:
    return name != NOT_MACHINERY and any(name == part or name.startswith(part + ".") for part in MACHINERY)


def _data_files(package: Path) -> Iterator[Path]:
    """Yield the files that a package ships beside its modules, those in folders without modules included."""
    for entry in sorted(package.iterdir()):
        if entry.name.startswith((".", "__pycache__")) or (entry / "__init__.py").exists():
            continue
        if entry.is_dir():
            yield from _data_files(entry)
        elif entry.suffix != ".py":
            yield entry


def _pins() -> dict[str, str]:
    lines = (project_root() / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {name: version for name, mark, version in (line.partition("==") for line in lines) if mark}


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = sorted(old.keys() | new.keys())
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _verb(before: Any, after: Any) -> str:
    return "is new" if before is None else "is gone" if after is None else "changed"


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
