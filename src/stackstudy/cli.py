"""The command line: ``stackstudy fetch | ingest | run | status | predict | ask | paper | site | readme | report``."""

import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from polars import DataFrame
    from rich.table import Table

FORMATS = ("pdf", "html", "docx")

commands = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Profile = Annotated[str, typer.Argument(help="Name of a file in profiles/, for example smoke.")]
Data = Annotated[Path | None, typer.Option(help="Questions: a Posts.xml, .7z, CSV or parquet, or a folder of sites.")]
Engine = Annotated[
    Literal["typst", "crossref"],
    typer.Option(help="typst needs pip packages only; crossref needs pandoc-crossref and tectonic or xelatex."),
]


@commands.command()
def fetch(
    source: Annotated[str, typer.Argument(help="dba.stackexchange.com, https://..., or owner/name of Hugging Face.")],
    out: Annotated[Path, typer.Option(help="The folder to put it into.")] = Path("data"),
    checksum: Annotated[str | None, typer.Option(help="md5, sha1 or sha256 that the file must have.")] = None,
) -> None:
    """Fetch a Stack Exchange dump or a data set, with its licence; a cut download goes on where it stopped."""
    from stackstudy.questions.fetch import fetch as get

    print(get(source, out, checksum))


@commands.command()
def ingest(
    source: Annotated[
        list[str],
        typer.Argument(help="Posts.xml, .7z, CSV, parquet, a folder of sites or of StackSample, or: planted."),
    ],
    out: Annotated[Path, typer.Option(help="The question table to write, a parquet file.")],
    site: Annotated[str | None, typer.Option(help="Site of the questions, where the source does not say it.")] = None,
    near_duplicate_similarity: Annotated[
        float, typer.Option(min=0, max=1, help="Questions that share this much of their words go to the same split.")
    ] = 0.8,
    rows: Annotated[int | None, typer.Option(min=1, help="How many questions to make (planted) or keep.")] = None,
) -> None:
    """Read questions, check and de-duplicate them, and write one table."""
    from rich.console import Console

    from stackstudy.questions.ingest import ingest as read

    report = read(source, out, site=site, near_duplicate_similarity=near_duplicate_similarity, rows=rows)
    Console().print(_counts(report))
    print(out)


@commands.command()
def run(
    profile: Profile,
    experiments: Annotated[list[str] | None, typer.Argument(help="Only these, with what they need.")] = None,
    data: Data = None,
    why: Annotated[bool, typer.Option("--why", help="Tell the reason of each run.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
    executor: Annotated[
        Literal["local", "ray"], typer.Option(help="ray: on the cluster of RAY_ADDRESS, or one of this machine.")
    ] = "local",
) -> None:
    """Run the experiments of a profile that are missing or stale."""
    from stackstudy.runs.runner import run as run_profile

    raise typer.Exit(run_profile(profile, experiments, data, why=why, dry_run=dry_run, executor=executor))


@commands.command()
def status(
    profile: Profile,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until nothing runs any more.")] = False,
) -> None:
    """Show how far each experiment of a profile is."""
    from rich.console import Console
    from rich.live import Live

    from stackstudy.runs.display import table
    from stackstudy.runs.status import overview

    rows = overview(profile)
    if not watch:
        Console().print(table(rows))
        return
    with Live(table(rows)) as live:
        while any(row.state == "running" for row in rows):
            time.sleep(1)
            rows = overview(profile)
            live.update(table(rows))


@commands.command()
def paper(
    profile: Profile,
    engine: Engine = "typst",
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="pdf, html or docx, given again for more; all if not given.")
    ] = None,
) -> None:
    """Build the paper from the runs at hand."""
    for path in _build(profile, engine, formats):
        print(path)


@commands.command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run: runs/sample/13-tags-neural.")],
    questions: Annotated[str, typer.Argument(help="What ingest reads; tags or scores to be predicted may be missing.")],
    out: Annotated[Path, typer.Option(help="The predictions to write, a parquet file.")],
    site: Annotated[str | None, typer.Option(help="Site of the questions, where the source does not say it.")] = None,
) -> None:
    """Apply the saved systems of a run to new questions, and judge them where the answers are known."""
    from rich.console import Console

    _wait(f"loading the systems of {folder}")
    from stackstudy.predict import predict as apply

    predicted = apply(folder, questions, out, site=site)
    console = Console()
    for note in predicted.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    if predicted.metrics is not None:
        console.print(_metrics(predicted.metrics))
    print(out)


@commands.command()
def ask(
    title: Annotated[str, typer.Option(help="Title of the question.")],
    body: Annotated[str, typer.Option(help="Its text, with code in backticks.")] = "",
    profile: Annotated[str, typer.Option(help="Profile whose trained systems answer.")] = "sample",
    systems: Annotated[
        list[str] | None,
        typer.Option(
            "--system", help="Experiment, system or pattern, given again for more; if not given the best two."
        ),
    ] = None,
) -> None:
    """Ask trained systems for tags and score of a question; the answer, with what carried it, is JSON."""
    import json

    from stackstudy.ask.choices import chosen

    choices = chosen(profile, systems or ())  # what is wrong with the names is said before seconds of imports
    _wait(f"loading systems of profile {profile}")
    from stackstudy.ask.answer import Asker

    print(json.dumps(Asker.load(profile, choices).answer(title, body), indent=1, ensure_ascii=False))


@commands.command()
def site(
    profiles: Annotated[list[str], typer.Argument(help="Profiles; several can be compared with each other.")],
) -> None:
    """Build the report as static pages, from the runs and results at hand; the last line is the first page."""
    from stackstudy.site.build import build_site

    print(build_site({profile: _html_paper(profile) for profile in profiles}))


@commands.command()
def readme(profile: Profile) -> None:
    """Put the results of a profile at the opening of the README."""
    from stackstudy.paper.readme import write_readme

    _gather(profile)
    print(write_readme(profile))


@commands.command()
def report(profile: Profile, data: Data = None, engine: Engine = "typst") -> None:
    """Run what is missing or stale, then build the paper; the last line is the path of the PDF.

    A profile of questions that someone has to give, without them: built from its results, as they are committed.
    """
    from stackstudy.paper.finished import has_results
    from stackstudy.runs.profile import asks_for_data
    from stackstudy.runs.runner import run as run_profile

    if data is None and asks_for_data(profile) and has_results(profile):
        print(f"no questions given (--data PATH, make: DATA=PATH), so nothing is run for profile {profile}")
    elif code := run_profile(profile, data=data):
        raise typer.Exit(code)
    for path in sorted(_build(profile, engine, None), key=lambda path: path.suffix == ".pdf"):
        print(path)


@commands.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error comes from.")] = False,
) -> None:
    """Predict the tags and the score of Stack Exchange questions: experiments, and the report made from them."""


def app() -> None:
    """Run the command line; what is wrong with the input is said in one line."""
    try:
        commands()
    except (ValueError, OSError) as error:  # pydantic's ValidationError is a ValueError
        if "--debug" in sys.argv:
            raise
        print(f"stackstudy: {error}", file=sys.stderr)
        sys.exit(2)


def _wait(what: str) -> None:
    """Say on a terminal what takes some seconds; nothing where another program reads."""
    if sys.stderr.isatty():
        print(f"{what} ...", file=sys.stderr)


def _build(profile: str, engine: str, formats: list[str] | None) -> list[Path]:
    from stackstudy.paper.build import build

    _gather(profile)
    return build(profile, engine=engine, formats=formats or FORMATS)


def _html_paper(profile: str) -> Path | None:
    """Return the HTML paper, built if need be; None, and why, where results that it tells of are missing."""
    from stackstudy.paper.build import build

    _gather(profile)
    try:
        return build(profile, formats=("html",))[0]
    except ValueError as error:
        print(f"the site has no paper of profile {profile}, which cannot be built: {error}")
        return None


def _gather(profile: str) -> None:
    """Collect the results of the runs; where there are none, the collected results are taken as they are."""
    from stackstudy.paper.collect import collect
    from stackstudy.paper.finished import has_results, has_runs

    if has_results(profile) and not has_runs(profile):
        print(f"no runs here: built from results/{profile} and figures/{profile} as they are")
    else:
        collect(profile)


def _metrics(metrics: "DataFrame") -> "Table":
    """Return the metrics of each system as a table, a row per system and metric."""
    from rich.table import Table

    table = Table("system", "metric", box=None, pad_edge=False, header_style="bold")
    for column in ("value", "95 % interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in metrics.to_dicts():
        for metric in (name for name in row if f"{name}_low" in row):
            value, low, high = (row[f"{metric}{end}"] for end in ("", "_low", "_high"))
            interval = "" if low is None else f"{_number(low)} to {_number(high)}"
            table.add_row(row["system"], metric, "undefined" if value is None else _number(value), interval)
    return table


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _counts(report: Any) -> "Table":
    """Return the numbers of an ingest report as a table, a row per field."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for field in fields(report):
        table.add_row(field.name.replace("_", " "), _count(getattr(report, field.name)))
    return table


def _count(value: int | dict[str, int] | Path) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name} {number:,}" for name, number in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
