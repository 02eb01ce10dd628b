"""Tokenizer kind `pretrained`: the tokens and ids of a pretrained model."""

# N texts, L tokens of all texts together, U distinct tokens, V vocabulary

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from textune.data.base import Tokenizer, TokenizerConfig, Tokens, Vocabulary
from textune.data.tokenizer import encode, frame_of
from textune.errors import TextuneError, plain
from textune.pretrained import checkpoint_folder
from textune.registry import register

if TYPE_CHECKING:
    import tokenizers

__all__ = ["PretrainedConfig"]


@register("tokenizer", "pretrained")
class PretrainedConfig(TokenizerConfig):
    """The tokens of a pretrained model, with its special ones around each text. Nothing is learned."""

    model: str | None = Field(
        None, description="the model's folder or its name on the Hugging Face hub; null: that of the encoder"
    )
    max_length: int | None = Field(
        256,
        ge=3,
        description="longer texts are cut to this many tokens, special ones included; null: to what the model reads",
    )

    def fits(self, pretrained: str | None) -> bool:
        return self.model is not None if pretrained is None else self.model in {None, pretrained}

    def located(self, folders: Sequence[Path], pretrained: str | None) -> PretrainedConfig:
        model = self.model or pretrained
        assert model is not None  # or it does not fit
        return self.model_copy(update={"model": str(checkpoint_folder(model, folders))})

    def content(self) -> str:
        return hashlib.sha256(self._file().read_bytes()).hexdigest()

    def build(self) -> Tokenizer:
        return _Pretrained(self._file())

    def _file(self) -> Path:
        assert self.model is not None
        path = Path(self.model) / "tokenizer.json"
        if not path.is_file():
            raise TextuneError(
                plain(
                    f"the model in {self.model} has no tokenizer.json; make one with transformers.AutoTokenizer"
                    f".from_pretrained({self.model!r}).save_pretrained({self.model!r})"
                )
            )
        return path


class _Pretrained(Tokenizer):
    def __init__(self, file: Path) -> None:
        import tokenizers

        try:
            self._library = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the package raises nothing narrower
            raise TextuneError(plain(f"{file} is damaged: {error}")) from error
        self._library.no_padding()
        self._library.no_truncation()
        if frame_of(self._library) is None:
            raise TextuneError(plain(f"{file} puts no special token around a text, as models of the BERT family need"))

    def split(self, texts: Sequence[str]) -> Tokens:
        examples = encode(self._library, texts)
        ids_U, index_L = np.unique(examples.ids_L, return_inverse=True)
        tokens = [str(self._library.id_to_token(token_id)) for token_id in ids_U.tolist()]
        inventory = sorted(tokens)
        position = {token: index for index, token in enumerate(inventory)}
        rank_U = np.array([position[token] for token in tokens], dtype=np.int32)
        return Tokens(inventory, rank_U[index_L], examples.offsets_N1)

    def learn(self, inventory: Sequence[str], counts_U: NDArray[np.int64], outside: Sequence[str]) -> Vocabulary:  # noqa: ARG002 - nothing is learned
        size = 1 + max(self._library.get_vocab().values())
        tokens = tuple(self._library.id_to_token(token_id) or "" for token_id in range(size))
        unknown = getattr(self._library.model, "unk_token", None)
        return Vocabulary(tokens, frame_of(self._library), tokens.index(unknown) if unknown in tokens else None)

    def ids(self, inventory: Sequence[str], vocabulary: Vocabulary) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        own = {token: index for index, token in enumerate(vocabulary.tokens)}
        ids_U = np.array([own[token] for token in inventory], dtype=np.int32)
        return ids_U, np.ones(len(ids_U), dtype=np.int32)

    def with_vocabulary(self, vocabulary: Vocabulary) -> tokenizers.Tokenizer:  # noqa: ARG002 - it has its own
        return self._library
