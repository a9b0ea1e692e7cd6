"""Chapters and results -> one paper as PDF, HTML and DOCX; the same bytes whenever the inputs are the same."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from stackstudy import paths
from stackstudy.paper.check import check_text
from stackstudy.paper.values import Chapters

Engine = Literal["typst", "crossref"]

CONDA = "activate the conda environment of environment.yml (`conda env create -f environment.yml`)"


ENGINES: dict[str, str] = {
    "typst": "the project's own cross-reference filter, PDF by typst",
    "crossref": "pandoc-crossref, PDF by tectonic or xelatex",
}


class Job(NamedTuple):
    """All that a format is made from: pandoc, the rendered text and metadata, the commit's time (Unix seconds)."""

    engine: Engine
    pandoc: str
    latex: str | None
    folder: Path
    epoch: int

    def run(self, target: str, *options: str) -> bytes:
        """Return what pandoc makes of the paper with the defaults files common, of the engine and of the target."""
        defaults = [paths.report_dir() / "defaults" / f"{name}.yaml" for name in ("common", self.engine, target)]
        command = [self.pandoc, *(part for path in defaults for part in ("--defaults", str(path)))]
        command += ["--metadata-file", str(self.folder / "metadata.yaml"), str(self.folder / "paper.md"), *options]
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(self.epoch)}
        done = subprocess.run(command, cwd=paths.project_root(), env=environment, capture_output=True, check=False)
        if done.returncode or done.stderr:  # a warning is an error: an undefined reference is no more than that
            raise ValueError(f"pandoc ({target}): {done.stderr.decode().strip()}")
        return done.stdout


def build(profile: str, engine: Engine = "typst", formats: Iterable[str] = ("pdf", "html", "docx")) -> list[Path]:
    """Write ``report/build/<profile>/stackstudy.<format>`` and return the paths.

    A format whose inputs have not changed is left alone. Unknown or stale values, undefined references, warnings of
    pandoc and missing programs are errors.
    """
    formats = list(formats)
    if unknown := set(formats) - MAKERS.keys():
        raise ValueError(f"unknown format {', '.join(sorted(unknown))}; there are: {', '.join(MAKERS)}")
    pandoc, latex = _programs(engine, formats)
    commit, epoch = head_commit(paths.project_root())
    job = Job(engine, pandoc, latex, paths.report_dir() / "build" / profile, epoch)
    print(f"engine {engine}: {ENGINES[engine]}")
    return _make(formats, job, inputs=_prepare(profile, commit, job))


def head_commit(root: Path) -> tuple[str, int]:
    """Return the short commit ("+ changes" when files differ) and its time; ``SOURCE_DATE_EPOCH`` comes before it.

    Without git or a commit, as in a downloaded archive, the commit is "none" and the time that of this file.
    """
    git = ["git", "-C", str(root)]
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        log = subprocess.run([*git, "log", "-1", "--format=%h %ct"], capture_output=True, text=True, check=True)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "none", int(epoch or Path(__file__).stat().st_mtime)
    commit, seconds = log.stdout.split()
    return f"{commit} + changes" if status.stdout else commit, int(epoch or seconds)


def _programs(engine: Engine, formats: list[str]) -> tuple[str, str | None]:
    """Return the paths of pandoc and of the LaTeX engine, if one is needed; a missing program is an error."""
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}; there are: {', '.join(ENGINES)}")
    if engine == "typst":
        import pypandoc  # here, since it looks for pandoc when imported

        return pypandoc.get_pandoc_path(), None
    latex = (shutil.which("tectonic") or shutil.which("xelatex")) if "pdf" in formats else None
    missing = [name for name in ("pandoc", "pandoc-crossref") if not shutil.which(name)]
    if "pdf" in formats and not latex:
        missing.append("tectonic (or xelatex)")
    if missing:
        raise FileNotFoundError(f"engine crossref needs {', '.join(missing)} on the PATH: {CONDA}, or use engine typst")
    return str(shutil.which("pandoc")), latex


def _prepare(profile: str, commit: str, job: Job) -> str:
    """Render the chapters and metadata into the build folder; return a hash of everything the paper is made from."""
    day = datetime.fromtimestamp(job.epoch, UTC)
    chapters = Chapters(profile, commit=commit, date=f"{day.day} {day:%B %Y}")
    sources = sorted((paths.report_dir() / "chapters").glob("[0-9][0-9]-*.md"))
    if not sources:
        raise FileNotFoundError(f"no chapters NN-name.md in {paths.report_dir() / 'chapters'}")
    # The metadata comes first, since a later chapter may list all values.
    rendered = {"metadata.yaml": chapters.render(paths.report_dir() / "metadata.yaml")}
    rendered["paper.md"] = "\n\n".join(chapters.render(source) for source in sources)
    for name, content in rendered.items():
        with paths.replacing(job.folder / name) as fresh:
            fresh.write_text(content, encoding="utf-8")
    made_with = [job.engine, job.pandoc, str(job.latex), str(job.epoch)]
    return _fingerprint([*made_with, *rendered.values()], chain.from_iterable(chapters.figures.values()))


def _fingerprint(texts: Iterable[str], figures: Iterable[Path]) -> str:
    """Return a sha256 over the rendered texts, the figures, the report's own files and the versions of the tools."""
    report = paths.report_dir()
    support = sorted(path for part in ("defaults", "filters", "style") for path in (report / part).glob("*"))
    tools = [f"{name} {importlib.metadata.version(name)}" for name in ("pypandoc_binary", "typst")]
    digest = hashlib.sha256()
    for text in (*texts, *tools):
        digest.update(hashlib.sha256(text.encode()).digest())
    for path in (*figures, *support, report / "bibliography.bib", Path(__file__)):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _make(formats: list[str], job: Job, inputs: str) -> list[Path]:
    """Make at the same time what was not made from the same inputs already; return the paths of all formats."""
    targets = {name: job.folder / f"stackstudy.{name}" for name in formats}
    record = job.folder / "inputs.json"
    made: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    missing = [name for name, target in targets.items() if made.get(name) != inputs or not target.exists()]
    with ThreadPoolExecutor() as pool:
        for name, content in zip(missing, pool.map(lambda name: MAKERS[name](job), missing), strict=True):
            with paths.replacing(targets[name]) as fresh:
                fresh.write_bytes(content)
            made[name] = inputs
            with paths.replacing(record) as fresh:
                fresh.write_text(json.dumps(made, indent=1, sort_keys=True))
    return list(targets.values())


def _pdf(job: Job) -> bytes:
    if job.engine == "crossref":
        return job.run("pdf-crossref", "--pdf-engine", str(job.latex), "--output", "-")
    import typst

    source = job.run("pdf-typst")
    try:
        return typst.compile(source, root=paths.project_root(), ignore_system_fonts=True, timestamp=job.epoch)
    except typst.TypstError as error:
        raise ValueError(f"typst: {error}") from None


def _html(job: Job) -> bytes:
    content = job.run("html")
    check_text(content.decode())
    return content


def _docx(job: Job) -> bytes:
    return job.run("docx", "--output", "-")


MAKERS: dict[str, Callable[[Job], bytes]] = {"pdf": _pdf, "html": _html, "docx": _docx}
