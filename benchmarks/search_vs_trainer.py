"""How much sooner Textune ends a whole search than the Trainer's `hyperparameter_search`, from program start to winner.

The same eight parameter sets, drawn once, the same IMDb rows, the same cores; each side in a program of its own, in
turns. The Trainer searches with Optuna as its `hyperparameter_search` does by default and uses all cores for one trial
at a time; Textune runs one trial per core. Textune starts with an empty cache, and its time includes the run folder
with the best model and the report.

    TEXTUNE_DATA=../shared/data python benchmarks/search_vs_trainer.py --save
    python benchmarks/search_vs_trainer.py --figures one-core --sides textune bf16 --rows 200
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import optuna

import architectures
from measuring import processor, run_program, saved_rows
from sides import WAYS, study
from usual import Data, Recipe, Tokenized, draw, new_trainer

RESULTS = Path(__file__).parent / "results" / "search_vs_trainer.md"
NUM_SETS = 8
TARGET = 2.8
RECIPE = Recipe(batch_size=16, max_length=192)


@dataclass(frozen=True)
class Figure:
    """A comparison: on how many cores, how long each trial trains at most, and how Textune prunes."""

    title: str
    cores: int
    epochs: int
    pruner: str


FIGURES = {
    "one-core": Figure("one core, one epoch", cores=1, epochs=1, pruner="none"),
    "two-cores": Figure("two cores, one epoch", cores=2, epochs=1, pruner="none"),
    "halving": Figure(
        "two cores, up to three epochs, successive halving", cores=2, epochs=3, pruner="successive-halving"
    ),
}
SIDES = ("textune", "fp32-eager", "bf16-eager")


def parameter_sets() -> list[dict[str, Any]]:
    """Returns the sets, drawn as the DistilBERT study draws; names are those of both sides."""
    rng = np.random.default_rng(0)
    return [
        {
            "learning_rate": float(10 ** rng.uniform(-5, -3)),
            "batch_size": int(rng.choice([16, 32])),
            "weight_decay": float(10 ** rng.uniform(-6, -2)),
        }
        for _ in range(NUM_SETS)
    ]


def search_with_textune(data: dict[str, Any], figure: Figure, folder: Path) -> float:
    """Returns the accuracy of the winner."""
    from textune import api

    choices = [
        study(architectures.minilm_folder(), data, replace(RECIPE, epochs=figure.epochs, **chosen))["training"]
        for chosen in parameter_sets()
    ]
    settings = study(architectures.minilm_folder(), data, replace(RECIPE, epochs=figure.epochs))
    settings["search"] = {
        "space": {"training": choices},
        "sampler": "grid",
        "pruner": figure.pruner,
        "include_base": False,
    }
    settings["execution"] = {"kind": "processes", "workers": figure.cores}
    best = api.run(settings, out=folder / "run", quiet=True).best
    assert best is not None
    assert best.result is not None
    assert best.result.value is not None
    return best.result.value


def search_with_trainer(data: Data, figure: Figure, way: str, folder: Path) -> float:
    """Returns the accuracy of the winner."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    checkpoint = architectures.minilm_folder()
    rows = Tokenized(checkpoint, data, RECIPE.max_length)
    recipe = replace(RECIPE, epochs=figure.epochs)
    sets = parameter_sets()

    def chosen(trial: Any) -> dict[str, Any]:
        params = dict(sets[trial.number])
        return {"per_device_train_batch_size": params.pop("batch_size"), **params}

    trainer = new_trainer(checkpoint, rows, recipe, WAYS[way], 42, str(folder), eval_strategy="epoch")
    best = trainer.hyperparameter_search(
        hp_space=chosen,
        compute_objective=lambda metrics: metrics["eval_accuracy"],
        n_trials=NUM_SETS,
        direction="maximize",
        backend="optuna",
    )
    return float(best.objective)  # type: ignore[union-attr, arg-type]


def one_search(side: str, figure: Figure, folder: Path) -> None:
    """What the program of one side does: reads the rows, searches, prints the accuracy of the winner."""
    if side == "textune":
        data = {"kind": "files", "train": str(folder / "train.jsonl"), "valid": str(folder / "valid.jsonl")}
        accuracy = search_with_textune(data, figure, folder)
    else:
        accuracy = search_with_trainer(Data.read(folder), figure, side, folder)
    print(f"accuracy {accuracy}")


@dataclass(frozen=True)
class Search:
    """A search of one side: how long it took, also in processor time, and the accuracy of the winner."""

    seconds: float
    processor_seconds: float
    accuracy: float


def timed(name: str, side: str, data: Data) -> Search:
    """Runs one side in a program of its own."""
    cores = sorted(os.sched_getaffinity(0))[: FIGURES[name].cores]
    if len(cores) < FIGURES[name].cores:
        raise SystemExit(f"{FIGURES[name].title}: there is {len(cores)} core")
    with tempfile.TemporaryDirectory() as folder:
        data.write(Path(folder))
        command = [sys.executable, __file__, "--figures", name, "--one", side, folder]
        environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        ran = run_program(
            ["taskset", "-c", ",".join(map(str, cores)), *command], environment | {"TEXTUNE_CACHE": f"{folder}/cache"}
        )
    accuracy = next(float(line.split()[1]) for line in ran.output.splitlines() if line.startswith("accuracy "))
    print(
        f"  {side}: {ran.seconds:.0f} s, {ran.processor_seconds:.0f} s of processors, best accuracy {accuracy:.4f}",
        flush=True,
    )
    return Search(ran.seconds, ran.processor_seconds, accuracy)


def measure(name: str, options: argparse.Namespace) -> str:
    """Returns the row of the page."""
    data = draw("imdb", options.rows, options.valid_rows)
    found: dict[str, list[Search]] = {side: [] for side in options.sides}
    for _ in range(options.repeats):
        for side in options.sides:
            found[side].append(timed(name, side, data))
    took = {
        side: Search(
            statistics.median(run.seconds for run in runs),
            statistics.median(run.processor_seconds for run in runs),
            runs[0].accuracy,
        )
        for side, runs in found.items()
    }
    cells = [FIGURES[name].title, f"{options.rows:,}"]
    for side in SIDES:
        run = took.get(side)
        cells.append("–" if run is None else f"{run.seconds:.0f}, {run.processor_seconds:.0f} ({run.accuracy:.3f})")
    cells += [_ratios(took, side) for side in SIDES[1:]]
    return f"| {' | '.join(cells)} |"


def _ratios(took: dict[str, Search], side: str) -> str:
    if not {side, "textune"} <= took.keys():
        return "–"
    theirs, ours = took[side], took["textune"]
    by_clock, by_processor = theirs.seconds / ours.seconds, theirs.processor_seconds / ours.processor_seconds
    target = f" (≥ {TARGET})" if side == "fp32-eager" else ""
    return f"**{by_clock:.1f}**{target}, {by_processor:.1f}"


def page(rows: dict[str, str]) -> str:
    sets = "\n".join(
        f"- {chosen['learning_rate']:.1e}, {chosen['batch_size']}, {chosen['weight_decay']:.0e}"
        for chosen in parameter_sets()
    )
    return f"""\
# A whole search against the Trainer's hyperparameter_search

{date.today()}, {processor()}; `benchmarks/search_vs_trainer.py`.
MiniLM on IMDb at {RECIPE.max_length} tokens; {NUM_SETS} parameter sets (learning rate, batch size, weight decay),
drawn once:

{sets}

Seconds from the start of the program to the winner, those of processors, and the winner's accuracy on the valid rows;
the same cores. Processor time does not count what other programs take away, but what threads wait for each other.
Ratios are of both. The Trainer pads to the longest text of each batch, evaluates after each epoch, prunes by its
default (Optuna's median rule) and takes the plain attention, quicker here than its default.

| search | train rows | textune | Trainer fp32 | Trainer bf16 | × fp32 (target) | × bf16 |
|---|---|---|---|---|---|---|
""" + "".join(f"{rows[name]}\n" for name in FIGURES if name in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Textune's search against the Trainer's hyperparameter_search")
    parser.add_argument("--figures", nargs="+", choices=list(FIGURES), default=list(FIGURES))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--rows", type=int, default=1500, help="train rows")
    parser.add_argument("--valid-rows", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS}")
    parser.add_argument("--one", nargs=2, metavar=("SIDE", "FOLDER"), help="one search of one side, on written rows")
    options = parser.parse_args()
    if options.one:
        one_search(options.one[0], FIGURES[options.figures[0]], Path(options.one[1]))
        return
    rows = saved_rows(RESULTS, {name: figure.title for name, figure in FIGURES.items()})
    for name in options.figures:
        print(FIGURES[name].title, flush=True)
        rows[name] = measure(name, options)
    print(text := page(rows), end="")
    if options.save:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
