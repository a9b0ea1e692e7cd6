"""The command line: ``stackstudy ingest | run | status | paper | report``."""

import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
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
) -> None:
    """Run the experiments of a profile that are missing or stale."""
    from stackstudy.runs.runner import run as run_profile

    raise typer.Exit(run_profile(profile, experiments, data, why=why, dry_run=dry_run))


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
def report(profile: Profile, data: Data = None, engine: Engine = "typst") -> None:
    """Run what is missing or stale, then build the paper; the last line is the path of the PDF."""
    from stackstudy.runs.runner import run as run_profile

    if code := run_profile(profile, data=data):
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
    except (ValueError, FileNotFoundError) as error:  # pydantic's ValidationError is a ValueError
        if "--debug" in sys.argv:
            raise
        print(f"stackstudy: {error}", file=sys.stderr)
        sys.exit(2)


def _build(profile: str, engine: str, formats: list[str] | None) -> list[Path]:
    from stackstudy.paper.build import build
    from stackstudy.paper.collect import collect

    collect(profile)
    return build(profile, engine=engine, formats=formats or FORMATS)


def _counts(report: Any) -> "Table":
    """Return the numbers of an ingest report as a table, a row per field."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for field in fields(report):
        value = getattr(report, field.name)
        table.add_row(field.name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    return table
