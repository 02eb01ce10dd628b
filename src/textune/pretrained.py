"""Where a pretrained model lies on this machine. Nothing is ever downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from textune.errors import TextuneError, plain

__all__ = ["checkpoint_folder"]


def checkpoint_folder(model: str, folders: Sequence[Path]) -> Path:
    """Returns the absolute folder of a model, from the first of the folders that has it, or else from the hub cache.

    Args:
        model: a folder, or a name on the Hugging Face hub.
        folders: where relative paths are tried, in order.

    Raises:
        TextuneError: it is nowhere; says the three ways to get it.
    """
    candidates = [(base / model).absolute() for base in folders or (Path(),)]
    cached = _in_hub_cache(model)
    if cached is not None:
        candidates.append(cached)
    for folder in candidates:
        if _is_file(folder / "config.json"):
            return folder
    places = " and ".join(dict.fromkeys(str(folder.absolute()) for folder in folders or (Path(),)))
    raise TextuneError(
        plain(
            f"there is no pretrained model '{model}' on this machine: looked in {places} and in the Hugging Face "
            f"cache; either download it while online (hf download {model}), or name a folder with its config.json, "
            "model.safetensors and tokenizer.json as model.encoder.model, or set HF_HUB_CACHE to a cache that holds it"
        )
    )


def _in_hub_cache(model: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model, "config.json", cache_dir=os.environ.get("HF_HUB_CACHE"))
    except ValueError:  # no name that the hub could have
        return None
    return Path(found).parent if isinstance(found, str) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
