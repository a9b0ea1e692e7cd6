"""Chapters as templates: each value, figure and table comes from a finished run, or the build stops."""

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2

from stackstudy import paths
from stackstudy.evaluation import verdicts
from stackstudy.paper import speed, text
from stackstudy.paper.finished import has_results, has_runs, read_json
from stackstudy.paper.origins import Origins
from stackstudy.runs.key import finished_key

HEADING = re.compile(r"^# (.*?)(?: \{#(sec:[\w-]+)\})?$", re.MULTILINE)


class Branch:
    """The values below one dotted path; an unknown name is an error that says what is there."""

    def __init__(self, path: str, read: Callable[[str], float | str]) -> None:
        self._path, self._read, self._children = path, read, {}

    def add(self, names: list[str], full: str) -> None:
        """Make the leaf `full` reachable through `names`."""
        if len(names) == 1:
            self._children[names[0]] = full
            return
        child = self._children.setdefault(names[0], Branch(f"{self._path}{names[0]}.", self._read))
        if not isinstance(child, Branch):
            raise ValueError(f"{child} is a value and also holds values ({full}); rename one of them")
        child.add(names[1:], full)

    def __getitem__(self, name: str) -> Any:
        if name not in self._children:
            raise ValueError(f"no value {self._path}{name}; there are: {', '.join(sorted(self._children))}")
        child = self._children[name]
        return child if isinstance(child, Branch) else self._read(child)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._children))

    def __contains__(self, name: object) -> bool:
        return name in self._children

    def __str__(self) -> str:
        raise ValueError(f"{self._path[:-1]} is not a value, it holds: {', '.join(self)}")


class Chapters:
    """Renders chapters with the results of one profile, and knows which figures and values they used."""

    def __init__(self, profile: str, **extra: Any) -> None:
        """Read the results of `profile`; `extra` are further names for the templates, such as the date."""
        if not has_results(profile):
            raise FileNotFoundError(f"no results for profile {profile!r}: first type `stackstudy run {profile}`")
        self.profile = profile
        self.figures: dict[str, list[Path]] = {}  # files of the figures used so far, by name
        self.used: dict[str, dict[str, None]] = {}  # paths of the values used so far, by chapter, in their order
        self._origins = Origins.read(profile)
        self._keys = read_json(paths.results_dir(profile) / "keys.json")
        self.values = Branch("", self._read)
        for path in self._origins.numbers:
            self.values.add(path.split("."), path)
        self._chapter = ""  # that is being rendered
        self._listed = False  # whether a chapter has listed all values
        self._states: dict[str, str | None] = {}  # why a run is stale, by experiment
        self._environment = self._make_environment()
        self._environment.globals.update(extra)

    def render(self, source: Path) -> str:
        """Return the Markdown of one chapter; an unknown or stale value is a ValueError with file, line and name."""
        self._chapter = _name_of(source)
        try:
            return self._environment.get_template(source.name).render()
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(f"{source}, line {error.lineno}: {error.message}") from None
        except (jinja2.UndefinedError, ValueError, TypeError) as error:
            raise ValueError(f"{source}, line {_line(error, source)}: {error}") from None

    def _make_environment(self) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([paths.report_dir() / "chapters", paths.report_dir()]),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # the output is Markdown
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            comment_start_string="{=#",  # Markdown writes labels as {#fig:name}
            comment_end_string="#=}",
        )
        for shape in (text.f, text.percent, text.thousands, text.signed):
            environment.filters[shape.__name__] = shape
        environment.globals.update({name: self.values[name] for name in self.values})
        environment.globals.update(
            figure=self._figure,
            table=self._table,
            interval=interval,
            verdict=self._verdict,
            tests=self._tests,
            profile=self.profile,
            has_results=has_results,
        )
        environment.globals.update(benchmarks=speed.measured(), speed=speed, speed_figure=self._speed_figure)
        environment.globals.update(
            machines=self._origins.machines,
            runs_table=self._origins.runs_table,
            settings=self._origins.settings,
            numbers_by_run=self._numbers_by_run,
        )
        return environment

    def _read(self, path: str) -> float | str:
        """Return a value, after a look at the run that made it."""
        entry = self._origins.numbers[path]
        experiment = entry["experiment"]
        if experiment not in self._states:
            self._states[experiment] = self._stale(experiment)
        if why := self._states[experiment]:
            raise ValueError(f"{path} is stale: {why}; type `stackstudy run {self.profile}`")
        if self._listed:
            raise ValueError(f"{path} is used after the list of all values: move that list behind it")
        self.used.setdefault(self._chapter, {})[path] = None
        return entry["value"]

    def _stale(self, experiment: str) -> str | None:
        """Say why the values of a run no longer hold; committed results without run folders are taken as they are."""
        if not has_runs(self.profile):
            return None
        key = finished_key(paths.runs_dir(self.profile) / experiment)
        if key is None:
            return f"run {experiment} is not done"
        if key != self._keys[experiment]["key"]:
            return f"run {experiment} was done again and not collected"
        return None

    def _numbers_by_run(self) -> str:
        """Return the values used so far, as a list per chapter that names their runs."""
        self._listed = True
        return self._origins.numbers_by_run(self.used)

    def _figure(self, name: str) -> str:
        """Return the path of a figure from the project, and in quotes the experiment that made it, for its caption.

        The path has no suffix: each format takes PNG or SVG. Each figure stands once in the paper.
        """
        return self._take_figure(paths.figures_dir(self.profile) / name, self._origins.maker("figures", name))

    def _speed_figure(self) -> str:
        """Return what `_figure` does, for the figure of the benchmarks."""
        return self._take_figure(paths.results_dir("benchmarks") / "speed", "make bench")

    def _take_figure(self, stem: Path, maker: str | None) -> str:
        files = [stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".svg")]
        if missing := [path.name for path in files if not path.exists()]:
            raise ValueError(f"no figure {' and '.join(missing)}; there are: {_names(stem.parent.glob('*'))}")
        if stem.name in self.figures:
            raise ValueError(f"figure {stem.name} is used a second time")
        self.figures[stem.name] = files
        return f'{stem.relative_to(paths.project_root()).as_posix()} "{maker}"'

    def _table(
        self, name: str, columns: Sequence[str] | None = None, rows: int | None = None, profile: str | None = None
    ) -> str:
        """Return a table, or these columns and first rows of it, as Markdown without its caption.

        A comment before it names the experiment that made it, for the caption. `profile` is another one than that of
        the paper, whose results are taken as they were collected.
        """
        origins, where = (Origins.read(profile), f" of profile {profile}") if profile else (self._origins, "")
        results = paths.results_dir(origins.profile)
        tables = {path.stem: path for path in [*results.glob("*.csv"), *(results / "tables").glob("*.csv")]}
        if name not in tables:
            raise ValueError(f"no table {name}; there are: {_names(tables.values())}")
        experiment = origins.maker("tables", name)
        mark = f"<!-- run: {experiment}{where} -->\n\n" if experiment else ""
        return mark + text.pipe_table(tables[name], columns, rows)

    def _verdict(self, first: str, second: str, metric: str, task: str | None = None) -> str:
        """Say which of two systems the paired test puts ahead; see `_test`."""
        return verdict(first, second, metric, *self._test(first, second, metric, task)[:2])

    def _tests(self, rows: Sequence[tuple[str, str, str, str]], task: str | None = None) -> str:
        """Return paired tests as a table without its caption; a row is (question, first, second, metric)."""
        heads = ("Question", "First", "Second", "By", "Difference", "p", "First is")
        lines = [heads, (":---", ":---", ":---", ":---", "---:", "---:", ":---")]
        for question, first, second, metric in rows:
            test, sign, path = self._test(first, second, metric, task)
            low, high = bounds(test, sign)
            cells = text.difference(sign * test["difference"], low, high), text.p_value(test["p"]).removeprefix("= ")
            lines.append((question, first, second, text.heading(metric), *cells, standing(metric, test, sign)))
        experiment = self._origins.numbers[f"{path}.p"]["experiment"]
        return f"<!-- run: {experiment} -->\n\n" + text.pipes(lines)

    def _test(self, first: str, second: str, metric: str, task: str | None = None) -> tuple[Branch, int, str]:
        """Return the test ``<task>.pairs.<first>_vs_<second>.<metric>``, -1 if it is the other way round, and its path.

        Systems of two tasks may share names; the metric tells them apart, or else `task` does.
        """
        for name in [name for name in self.values if "pairs" in self.values[name]] if task is None else [task]:
            pairs = self.values[name]["pairs"]
            for one, other, sign in ((first, second, 1), (second, first, -1)):
                pair = f"{one}_vs_{other}".replace("-", "_")
                if pair in pairs and metric in pairs[pair]:
                    return pairs[pair][metric], sign, f"{name}.pairs.{pair}.{metric}"
        raise ValueError(f"no paired test of {first} and {second} by {metric} in the results of {self.profile}")


def interval(branch: Branch, name: str) -> str:
    """Return ``.712 [.701, .723]`` from the leaves `name`, ``<name>_low`` and ``<name>_high``."""
    low, value, high = (branch[leaf] for leaf in (f"{name}_low", name, f"{name}_high"))
    return text.with_interval(value, low, high)


def bounds(test: Branch, sign: int) -> list[float]:
    """Return the lower and the upper end of the interval of a test's difference, times `sign`."""
    return sorted((sign * test["low"], sign * test["high"]))


def standing(metric: str, test: Branch, sign: int) -> str:
    """Return ``ahead``, ``behind`` or ``level``, where a test cannot tell the first system from the second."""
    found = verdicts.verdict(metric, sign * test["difference"], test["p"])
    return {"better": "ahead", "worse": "behind"}.get(found, "level")


def verdict(first: str, second: str, metric: str, test: Branch, sign: int) -> str:
    """Return a clause on two systems from ``difference`` (times `sign`), ``low``, ``high`` and ``p`` of a test."""
    result = text.test_result(sign * test["difference"], *bounds(test, sign), test["p"])
    place, shown = standing(metric, test, sign), f"by {text.heading(metric)} (difference {result})"
    if place == "level":
        return f"{first} and {second} cannot be told apart {shown}"
    return f"{first} is {place} {'of ' if place == 'ahead' else ''}{second} {shown}"


def _name_of(chapter: Path) -> str:
    """Return how Markdown refers to a chapter: by its label, else by its title."""
    heading = HEADING.search(chapter.read_text(encoding="utf-8"))
    if chapter.suffix != ".md" or not heading:
        return "Title and abstract"
    return f"[@{heading[2]}]" if heading[2] else heading[1]


def _line(error: BaseException, source: Path) -> int:
    """Return the line of a chapter in which `error` arose."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(source)), 1)


def _names(files: Iterable[Path]) -> str:
    return ", ".join(sorted({path.stem for path in files})) or "none"
