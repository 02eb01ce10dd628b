"""Phase `start`: which versions and which card, and whether a whole study runs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch
from findings import GPU, OUT, found, small_study

from measuring import processor
from textune import api


def main() -> None:
    found("start", "python", platform.python_version())
    for package in ("torch", "transformers", "optuna", "pydantic"):
        try:
            found("start", package, version(package))
        except PackageNotFoundError:
            found("start", package, "missing")
    found("start", "processor", processor())
    if GPU:
        card = torch.cuda.get_device_properties(0)
        found("start", "GPU", card.name)
        found("start", "memory", round(card.total_memory / 2**30, 1), "GiB")
        found("start", "cuDNN", str(torch.backends.cudnn.version()))  # type: ignore[no-untyped-call]
    study = api.run(small_study(), out=OUT / "start", quiet=True)
    assert study.best is not None
    assert study.best.result is not None
    found("start", "accuracy of a small study", study.best.result.value)
    found("start", "computed in", study.best.result.details.get("precision"))
    found("start", "a prediction", study.predict(["not good at all"])[0])


if __name__ == "__main__":
    main()
