"""How much faster Textune fine-tunes a transformer than the Trainer of transformers, and whether it learns as much.

The same checkpoint on the same rows in as many steps with AdamW, linear schedule, clipping and dropout, on one core, in
turns in one process: the Trainer with its defaults and with settings that make it quicker (`usual.py`), and a trial of
Textune. Times are those of the training steps alone. Peak memory is that of a process for each, which trains on a few
batches.

    TEXTUNE_DATA=../shared/data python benchmarks/transformers_vs_trainer.py --seeds 8 --save
    python benchmarks/transformers_vs_trainer.py --cases minilm-sst --repeats 2 --rows 640 --ways fp32-eager bf16-eager
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import transformers

import architectures
from measuring import paired_difference, peak_memory_bytes, processor, saved_rows
from sides import WAYS, Sides, study
from usual import Recipe, draw

RESULTS = Path(__file__).parent / "results" / "transformers_vs_trainer.md"
NON_INFERIORITY = -0.01
FEW_ROWS = 64  # scored where only time is measured
SEARCH_TRIALS = 10
NUM_FROZEN = 4
FROZEN_TARGET = 2.5

REFERENCE = WAYS["fp32-eager"]
"""Whose accuracy is compared; attention of either kind computes the same."""


@dataclass(frozen=True)
class Case:
    """A checkpoint on a data set.

    Attributes:
        targets: least ratios to the quicker attention of the Trainer in fp32, and in bf16.
        rows: of one turn.
        learn_rows, scored_rows: where accuracy is compared; none where the checkpoint is random.
        recipe: of the turns; `learn_epochs` are those of the accuracy.
    """

    title: str
    data: str
    family: str | None
    recipe: Recipe
    targets: tuple[float, float]
    rows: int
    learn_rows: int = 0
    scored_rows: int = 0
    learn_epochs: int = 1


SST = Recipe(batch_size=32, max_length=128)
FALLBACK = (3.5, 1.8)
CASES = {
    "minilm-sst": Case("MiniLM, SST-2, batch 32", "sst", None, SST, (4.5, 2.3), 1600, 3000, 4700, 2),
    "minilm-imdb": Case(
        "MiniLM, IMDb at 192 tokens, batch 16",
        "imdb",
        None,
        Recipe(batch_size=16, max_length=192),
        (2.8, 1.8),
        rows=800,
        learn_rows=2000,
        scored_rows=2000,
        learn_epochs=2,  # after one, accuracy differs by points from seed to seed, on both sides
    ),
    "electra-sst": Case(
        "MiniLM's weights as ELECTRA, SST-2, batch 32", "sst", "electra", SST, FALLBACK, 1600, 3000, 4700, 2
    ),
    "mpnet-sst": Case("MPNet of MiniLM's size, SST-2, batch 32", "sst", "mpnet", SST, FALLBACK, 1600),
    "modernbert-sst": Case("ModernBERT of MiniLM's size, SST-2, batch 32", "sst", "modernbert", SST, FALLBACK, 1600),
    "deberta-sst": Case("DeBERTa-v2 of MiniLM's size, SST-2, batch 32", "sst", "deberta-v2", SST, FALLBACK, 1600),
}
FROZEN = "MiniLM, SST-2, 10 trials, 4 of 6 layers frozen"


@dataclass
class Measured:
    """Milliseconds per example of each side, in each turn; peak megabytes."""

    case: Case
    num_rows: int
    times: dict[str, list[float]] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)

    def ratio(self, *ways: str) -> str:
        """Returns how many times as long as Textune the quickest of some ways took, by the median of the turns."""
        turns = [zip(self.times[way], self.times["textune"], strict=True) for way in ways if way in self.times]
        ratios = [statistics.median(theirs / ours for theirs, ours in turn) for turn in turns]
        return f"{min(ratios):.1f}" if ratios else "–"


def measure(case: Case, options: argparse.Namespace) -> Measured:
    num_rows = options.rows or case.rows
    measured = Measured(case, num_rows)
    with tempfile.TemporaryDirectory() as name:
        sides = Sides(case.family, draw(case.data, num_rows, FEW_ROWS), case.recipe, Path(name))
        turns: dict[str, Callable[[int], float]] = {
            "textune": sides.textune_seconds,
            "textune-mean": lambda seed: sides.textune_seconds(seed, "mean"),
        }
        for way_name, way in sides.ways.items():
            if way_name in options.ways:
                turns[way_name] = lambda seed, way=way: sides.trainer_seconds(way, seed)  # type: ignore[misc]
        measured.times = {side: [] for side in turns}
        for repeat in range(options.repeats):
            for side, turn in turns.items():
                measured.times[side].append(1000 * turn(repeat) / (num_rows * case.recipe.epochs))
                print(f"  {side} {measured.times[side][-1]:.2f} ms/example", flush=True)
        if options.profile:
            profile(sides)
    return measured


def profile(sides: Sides) -> None:
    """Prints where the time of a trial goes."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        sides.textune_seconds(0)
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=50))


def compare(name: str, seeds: int) -> str:
    """Trains both sides with several seeds, scores them after the last epoch and returns the row of the page."""
    torch.set_num_threads(1)
    case, theirs, ours = CASES[name], [], []
    recipe = replace(case.recipe, epochs=case.learn_epochs)
    with tempfile.TemporaryDirectory() as folder:
        sides = Sides(case.family, draw(case.data, case.learn_rows, case.scored_rows), recipe, Path(folder))
        for seed in range(seeds):
            ours.append(sides.textune_accuracy(seed))
            theirs.append(sides.trainer_accuracy(REFERENCE, seed))
            print(f"  seed {seed}: Trainer {theirs[-1]:.4f}, textune {ours[-1]:.4f}", flush=True)
    mean, low = paired_difference(ours, theirs)
    cells = (
        _accuracy_title(name),
        f"{case.learn_rows:,} × {case.learn_epochs}",
        f"{case.scored_rows:,}",
        f"{statistics.mean(theirs):.4f}",
        f"{statistics.mean(ours):.4f}",
        f"{mean:+.4f} (**{low:+.4f}**)",
        str(seeds),
    )
    return f"| {' | '.join(cells)} |"


def _accuracy_title(name: str) -> str:
    return f"{CASES[name].title}: accuracy"


def peak_megabytes(name: str, way_name: str | None) -> float:
    """Trains a case on a few batches and returns the peak of the process."""
    torch.set_num_threads(1)
    case = CASES[name]
    data = draw(case.data, 8 * case.recipe.batch_size, FEW_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        sides = Sides(case.family, data, case.recipe, Path(folder))
        if way_name is None:
            sides.textune_seconds(0)
        else:
            sides.trainer_seconds(WAYS[way_name], 0)
    return peak_memory_bytes() / 1e6


def measure_case(name: str, options: argparse.Namespace) -> str:
    """Measures a case and returns its row of the page."""
    torch.set_num_threads(1)
    measured = measure(CASES[name], options)
    if options.memory:
        for side in ("fp32-eager", "bf16-eager", "textune"):
            measured.megabytes[side] = in_fresh_process(peak_megabytes, name, None if side == "textune" else side)
    return row(measured)


def search_seconds(num_frozen: int, num_rows: int, num_valid: int) -> float:
    """Returns the time of a whole search of a fresh installation, with what it prepares."""
    from textune import api

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TEXTUNE_CACHE"] = str(folder / "cache")
        settings = study(architectures.minilm_folder(), draw("sst", num_rows, num_valid).write(folder), SST)
        settings["model"]["encoder"]["num_frozen_layers"] = num_frozen
        settings["search"] = {
            "space": {
                "training.optimizer.learning_rate": {"low": 2e-5, "high": 4e-4, "log": True},
                "training.batch_size": [16, 32],
            },
            "sampler": "random",
            "trials": SEARCH_TRIALS,
        }
        settings["execution"] = "serial"
        started = time.perf_counter()
        finished = api.run(settings, out=folder / "run", quiet=True)
        seconds = time.perf_counter() - started
        assert finished.best is not None
        assert finished.best.result is not None
        print(f"  {num_frozen} frozen layers: {seconds:.0f} s, best {finished.best.result.value:.4f}", flush=True)
        return seconds


def frozen_row(options: argparse.Namespace) -> str:
    num_rows = options.rows or 3000
    seconds: dict[int, list[float]] = {0: [], NUM_FROZEN: []}
    for _ in range(max(options.repeats // 2, 1)):
        for num_frozen, times in seconds.items():
            times.append(in_fresh_process(search_seconds, num_frozen, num_rows, 500))
    ratio = statistics.median(whole / part for whole, part in zip(seconds[0], seconds[NUM_FROZEN], strict=True))
    whole, part = (statistics.median(times) for times in seconds.values())
    return f"| {FROZEN} | {num_rows:,} | {whole:.0f} | {part:.0f} | **{ratio:.1f}** (≥ {FROZEN_TARGET}) |"


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(function, *arguments).result()


COLUMNS = (
    "case",
    "train rows × turns",
    "fp32",
    "eager",
    "bf16",
    "eager",
    "grouped",
    "textune",
    "mean",
    "× fp32 (target)",
    "× bf16 (target)",
    "× grouped",
    "peak MB: fp32, bf16, textune",
)


def row(measured: Measured) -> str:
    fp32, bf16 = measured.case.targets
    cells = (
        measured.case.title,
        f"{measured.num_rows:,} × {len(measured.times['textune'])}",
        *(
            f"{statistics.median(measured.times[side]):.1f}" if side in measured.times else "–"
            for side in (*WAYS, "textune", "textune-mean")
        ),
        f"**{measured.ratio('fp32', 'fp32-eager')}** (≥ {fp32})",
        f"**{measured.ratio('bf16', 'bf16-eager')}** (≥ {bf16})",
        measured.ratio("bf16-grouped"),
        ", ".join(f"{megabytes:.0f}" for megabytes in measured.megabytes.values()) or "–",
    )
    return f"| {' | '.join(cells)} |"


def page(rows: dict[str, str]) -> str:
    def lines(names: Sequence[str]) -> str:
        return "".join(f"{rows[name]}\n" for name in names if name in rows)

    return f"""\
# Fine-tuning against the Trainer of transformers

{date.today()}, {processor()}, one core, torch {torch.__version__}, transformers {transformers.__version__};
`benchmarks/transformers_vs_trainer.py`. Milliseconds per train example, medians over turns, evaluation apart. The
Trainer pads to the longest text of each batch; `fp32` and `bf16` are its defaults, `eager` the plain attention, quicker
on this processor, `grouped` groups texts by length as well. Ratios are to the quicker attention. Textune pools as the
Trainer's heads do, by the first token, whose vector alone it computes in the last layer; `mean` is its mean pooling.

| {" | ".join(COLUMNS)} |
|{"---|" * len(COLUMNS)}
{lines(list(CASES))}
Accuracy after the last epoch on rows that none trains on, the Trainer's in fp32. The lower end of the 95% interval of
the paired difference over seeds should lie above {NON_INFERIORITY}.

| case | train rows × epochs | scored rows | Trainer | textune | difference (lower bound) | seeds |
|---|---|---|---|---|---|---|
{lines([_accuracy_title(name) for name in CASES])}
A whole search through `textune.run`, serial, seconds; the cache is empty at the start, and filling it is counted.

| study | train rows | nothing frozen | frozen | × (target) |
|---|---|---|---|---|
{lines(["frozen"])}"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Textune's fine-tuning against the Trainer of transformers")
    names = [*CASES, "frozen"]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="of the Trainer")
    parser.add_argument(
        "--repeats", type=int, default=5, help="turns of each side, half as many searches; 0: no timing"
    )
    parser.add_argument("--rows", type=int, default=None, help="train rows of a turn (default: as the case says)")
    parser.add_argument("--seeds", type=int, default=0, help="trainings of each side to compare accuracies")
    parser.add_argument("--memory", action="store_true", help="measure peak memory too")
    parser.add_argument("--profile", action="store_true", help="print where the time of a trial goes")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS}")
    options = parser.parse_args()
    titles = {name: case.title for name, case in CASES.items()} | {"frozen": FROZEN}
    titles |= {title: title for title in map(_accuracy_title, CASES)}
    rows = saved_rows(RESULTS, titles)
    for name in options.cases:
        print(titles[name], flush=True)
        if name == "frozen":
            rows[name] = frozen_row(options)
            continue
        if options.repeats:
            rows[name] = in_fresh_process(measure_case, name, options)
        if options.seeds and CASES[name].learn_rows:
            rows[_accuracy_title(name)] = in_fresh_process(compare, name, options.seeds)
    print(text := page(rows), end="")
    if options.save:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
