"""What a configuration reaches on random halves of IMDb, chosen honestly and as a published ablation chose.

The 50,000 reviews are divided at random into 25,000 to learn from and 25,000 to test, several times. Each time the
configuration is trained twice: once the epoch is chosen by a tenth of the rows to learn from, and the test rows are
read once; once, as in the published study, training stops where the test rows themselves are predicted best.

    TEXTUNE_DATA=../shared/data python benchmarks/imdb_halves.py runs/imdb-ablation --save
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from measuring import processor
from textune import api
from textune.tracking.wording import params_text

RESULTS = Path(__file__).parent / "results" / "imdb_halves.md"
PUBLISHED = 0.8277


def divide(number: int, folder: Path) -> tuple[Path, Path]:
    """Writes two random halves of all reviews and returns their files."""
    source = Path(os.environ["TEXTUNE_DATA"]) / "imdb"
    rows = pd.concat([pd.read_parquet(source / f"{part}.parquet") for part in ("train", "test")], ignore_index=True)
    order = np.random.default_rng(number).permutation(len(rows))
    files = folder / f"{number}-one.parquet", folder / f"{number}-other.parquet"
    for file, part in zip(files, np.array_split(order, 2), strict=True):
        rows.loc[part, ["text", "label"]].to_parquet(file)
    return files


def train(config: dict[str, Any], data: dict[str, str], folder: Path) -> api.Study:
    settings = {**config, "data": {"kind": "files", **data}, "split": "given", "search": {}, "confirm": "off"}
    return api.run({**settings, "execution": "serial"}, out=folder, quiet=True)


def on_halves(config: dict[str, Any], number: int, folder: Path) -> tuple[float, float]:
    """Returns the test accuracy with the epoch chosen by valid rows, and with that chosen by the test rows."""
    one, other = map(str, divide(number, folder))
    honest = train(config, {"train": one, "test": other}, folder / f"{number}-honest").record
    stopped_on_test = train(config, {"train": one, "valid": other}, folder / f"{number}-stopped-on-test").best
    assert honest.test is not None
    assert stopped_on_test is not None
    assert stopped_on_test.result is not None
    accuracies = float(honest.test["metrics"]["test.accuracy"]), float(stopped_on_test.result.metrics["valid.accuracy"])
    print(f"  halves {number}: {accuracies[0]:.4f}, stopped on test {accuracies[1]:.4f}", flush=True)
    return accuracies


def page(run: str, trial: Any, found: list[tuple[float, float]]) -> str:
    honest, stopped = zip(*found, strict=True)
    rows = "\n".join(f"| {number} | {one:.4f} | {other:.4f} |" for number, (one, other) in enumerate(found))
    return f"""\
# Random halves of IMDb

{date.today()}, {processor()}; `benchmarks/imdb_halves.py`. Trial {trial.spec.number} of `{run}`:
{params_text(trial.spec.choices)}.
Test accuracy after training on one random half and testing on the other.

| halves | epoch chosen by valid rows (a tenth of the train half) | epoch chosen by the test rows |
|---|---|---|
{rows}
| mean | **{statistics.mean(honest):.4f}** | {statistics.mean(stopped):.4f} |

The published ablation says {PUBLISHED:.4f} of one such division: stopped on test, as in the last column, after its five
variables had been chosen on the test rows, too. Its last column also trains on all of the train half.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="A configuration on random halves of IMDb")
    parser.add_argument("run", help="a run folder of an IMDb study")
    parser.add_argument("--trial", type=int, default=None, help="whose configuration (default: the one it handed over)")
    parser.add_argument("--halves", type=int, default=3, help="random divisions")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS}")
    options = parser.parse_args()
    study = api.load(options.run)
    trial = study.best if options.trial is None else study.record.trials[options.trial]
    assert trial is not None
    with tempfile.TemporaryDirectory() as folder:
        found = [on_halves(trial.spec.config, number, Path(folder)) for number in range(options.halves)]
    print(text := page(study.record.name, trial, found), end="")
    if options.save:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
