"""The command line: parses, calls `commands`, prints. Results go to stdout, everything else to stderr.

A stream shows what its encoding has and marks the rest; what a program or a file takes in is UTF-8 in a pipe.

Exit codes: 0 done, 1 nothing finished, 2 study or usage error, 130 interrupted.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer

from textune.errors import FatalError, TextuneError, TrialError, plain
from textune.memory import is_exhausted
from textune.storage import redact
from textune.streams import as_in_files, mark_what_is_lacking, write_as_file
from textune.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="textune",
    help="Hyperparameter tuning for text classification: one study file, one command, a winner and its model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file, .yaml or .json.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or its name under runs/.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        parser=as_in_files,
        help="Change one setting, e.g. training.epochs=3. May be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AllowPlugins = Annotated[bool, typer.Option("--allow-plugins", help="Let the study run the Python files it names.")]

_UNSEEN = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""What JSON leaves as it is, and a terminal obeys or cannot show."""


Encoding = Annotated[str | None, typer.Option(help="The encoding of a text file; default as in the study.")]


class Errors(StrEnum):
    """What is done with bytes that are not text."""

    STRICT = "strict"
    REPLACE = "replace"


class Format(StrEnum):
    """How predictions are written."""

    CSV = "csv"
    JSONL = "jsonl"


def main() -> NoReturn:
    """Runs the command line; every error a user can cause ends in its sentence, without a traceback."""
    mark_what_is_lacking()
    try:
        app(standalone_mode=True)
    except TextuneError as error:
        print(_harmless(error), file=sys.stderr)
        sys.exit(1 if isinstance(error, FatalError | TrialError) else 2)
    except BrokenPipeError:
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        print("memory ran out; use less data or a smaller model, or a machine with more memory", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a name that no file can have, a folder that may not be read, a disk that is full
        print(_harmless(f"{error.filename or 'textune'}: {error.strerror or error}"), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        atexit.register(_end_undisturbed)
    sys.exit(0)


def _end_undisturbed() -> None:
    """Ignores signals from now on: all is written, and Python, which takes a while to end, would end in the middle."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def _echo(text: object, end: str = "\n", to: TextIO | None = None) -> None:
    """Prints at once, so that a reader who went away is noticed here."""
    print(text, end=end, file=to or sys.stdout, flush=True)


def _echo_path(path: Path) -> None:
    """Prints a path: as it is for a program that reads a pipe, and so that it cannot steer a terminal."""
    _echo(_harmless(path) if _is_terminal() else path)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _harmless(text: object) -> str:
    """Returns lines that cannot steer a terminal, without credentials: names in them may come from anywhere."""
    return "\n".join(plain(line) for line in redact(str(text)).split("\n"))


def _version(value: bool) -> None:
    if value:
        _echo(f"textune {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    study: StudyFile,
    out: Annotated[Path | None, typer.Option(help="The run folder; default runs/<name>.", show_default=False)] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an existing run folder aside first.")] = False,
    overrides: Set = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the run folder.")] = False,
    allow_plugins: AllowPlugins = False,
) -> None:
    """Search, write the report, and leave the best model in RUN/best."""
    from textune import commands

    finished = commands.run(
        study, out=out, fresh=fresh, overrides=overrides or (), quiet=quiet, allow_plugins=allow_plugins
    )
    _echo_path(finished.folder.path)
    raise typer.Exit(finished.exit_code)


@app.command()
def fidelity(
    study: StudyFile,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; default runs/<name>-fidelity.", show_default=False)
    ] = None,
    configurations: Annotated[int, typer.Option(min=3, help="How many to train; 20 or more say something.")] = 20,
    margin: Annotated[
        float | None, typer.Option(help="Regret that does not matter; default confirm.margin.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an existing run folder aside first.")] = False,
    overrides: Set = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the result.")] = False,
    allow_plugins: AllowPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Measure how much a search may be shortened (epochs, rows, folds) and still choose what a full one would."""
    from textune import commands
    from textune.report.fidelity import fidelity_table

    measured = commands.fidelity(
        study,
        out=out,
        fresh=fresh,
        configurations=configurations,
        margin=margin,
        overrides=overrides or (),
        quiet=quiet,
        allow_plugins=allow_plugins,
    )
    if measured.found is not None:
        _print_json(measured.found) if as_json else _print(fidelity_table(measured.found))
        _echo(_harmless(measured.folder.fidelity_page), to=sys.stderr)
    raise typer.Exit(measured.exit_code)


@app.command()
def check(study: StudyFile, overrides: Set = None, allow_plugins: AllowPlugins = False) -> None:
    """Check a study file and that its files exist; no data is read."""
    from textune import commands

    _echo(_harmless(commands.check(study, overrides or (), allow_plugins=allow_plugins)))


@app.command()
def describe(
    study: StudyFile, overrides: Set = None, allow_plugins: AllowPlugins = False, as_json: AsJson = False
) -> None:
    """Print what a study's data holds: balance, duplicates, lengths."""
    from textune import commands

    statistics = commands.describe(study, overrides or (), allow_plugins=allow_plugins)
    if as_json:
        _print_json(statistics)
        return
    from textune.report.description import description

    _print(description(statistics))


@app.command()
def init(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Your data: csv, tsv, json, jsonl, parquet, xlsx or txt; or a folder with a folder of txt per label.",
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            parser=as_in_files,
            help="The column of the labels, by its name or number; default the one that is called so.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            parser=as_in_files,
            help="The column of the texts; guessed if not given. May be repeated: columns are joined.",
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="The encoding of a text file; guessed if not given.", show_default=False)
    ] = None,
    encoding_errors: Annotated[
        Errors | None, typer.Option(help="What to do with bytes that are not text.", show_default=False)
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What separates columns; guessed if not given.", show_default=False)
    ] = None,
) -> None:
    """Print a sensible study for your own file."""
    from textune.starter import first_study

    options = {"encoding": encoding, "encoding_errors": encoding_errors, "delimiter": delimiter}
    study = first_study(file, label, text or (), options)
    if not sys.stdout.isatty():  # where they are not seen as comments of the study
        for note in study.notes:
            _echo(_harmless(note), to=sys.stderr)
    write_as_file()
    _echo(study.text, end="")


@app.command()
def show(run: RunFolder, as_json: AsJson = False) -> None:
    """Show how a study stands, or what it found."""
    from textune import commands

    shown = commands.show(run, as_json=as_json)
    _print_json(shown) if as_json else _print(shown)


@app.command("list")
def list_runs(folder: Annotated[Path, typer.Argument(metavar="FOLDER")] = Path("runs")) -> None:
    """List the run folders and their best values."""
    from textune import commands

    lines = commands.runs(folder)
    for line in lines:
        _echo(_harmless(line))
    if not lines:
        _echo(_harmless(f"there are no run folders in {folder}"), to=sys.stderr)


@app.command()
def report(run: RunFolder) -> None:
    """Write RUN/report.html anew and print its path."""
    from textune import commands

    _echo_path(commands.report(run))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL|RUN", help="A run folder, or the folder of a model.")],
    file: Annotated[
        str, typer.Argument(metavar="INPUT", help="A file or folder as `init` takes it; txt and -: a text per line.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="Where to write, in UTF-8; default stdout.", show_default=False)
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="How to write.")] = Format.CSV,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            parser=as_in_files,
            help="The column of the texts; default as in the study. May be repeated: columns are joined.",
        ),
    ] = None,
    encoding: Encoding = None,
    encoding_errors: Annotated[
        Errors | None, typer.Option(help="What to do with bytes that are not text; default as in the study.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What separates columns of csv and tsv; default as in the study.")
    ] = None,
    allow_plugins: Annotated[
        bool, typer.Option("--allow-plugins", help="Let the model run the Python files beside it.")
    ] = False,
) -> None:
    """Predict labels and probabilities with the model of a run."""
    from textune.serve.predict import predict_file

    write_as_file()
    kind = output_format.value
    try:
        predict_file(
            model,
            file,
            output=output,
            output_format=kind,
            text=text or (),
            options={"encoding": encoding, "encoding_errors": encoding_errors, "delimiter": delimiter},
            allow_plugins=allow_plugins,
        )
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe went away, as `head` does: nothing went wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def kinds(role: Annotated[str | None, typer.Argument(metavar="ROLE", help="e.g. encoder")] = None) -> None:
    """List the components a study can name, with their settings."""
    from textune import commands

    _echo(commands.kinds(role))


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    from textune.config.schema import schema_text

    write_as_file()
    _echo(schema_text(), end="")


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Delete what it holds.")] = False) -> None:
    """Show where prepared data is cached and how large it is."""
    from textune import commands

    _echo(_harmless(commands.cache(clear=clear)))


def _print(renderable: Any) -> None:
    from rich.console import Console

    Console(highlight=False, width=None if sys.stdout.isatty() else 110).print(renderable)


def _print_json(value: Any) -> None:
    write_as_file()
    shows_all = sys.stdout.encoding.lower().startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=not shows_all)
    _echo(_UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))
