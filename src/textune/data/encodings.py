"""Which encoding a file has that is not what it should be: what decodes all of it, and reads most like text."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Look", "look"]

CANDIDATES = (
    *("utf-8", "cp1252", "gb18030", "cp932", "euc_jp", "big5", "cp949", "cp1251", "koi8_r", "cp1250", "cp1253"),
    *("cp1254", "cp1255", "cp1256", "cp1257", "cp874", "mac_roman", "cp437", "cp850", "cp866"),
)
"""Encodings in which a line feed is a line feed; of those that fit equally well, the first is likeliest."""

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order marks; those of utf-32 begin as those of utf-16."""

SAMPLE_BYTES = 2**16
LINES_AT_ONCE = 1_000
MOST_BAD = 0.1
"""Share of lines above which an encoding is out."""

EQUAL_CHAOS = 0.06
EQUAL_COHERENCE = 0.05
"""Differences of charset-normalizer's two scores that mean nothing: texts are short."""


@dataclass(frozen=True)
class Look:
    """What was seen in a file.

    Attributes:
        encodings: that read most like text, likeliest first.
        num_bad: how many lines the first of them does not decode.
        num_not_utf8: how many lines are not utf-8.
        num_lines: of the file; 0 where it was not read to its end.
    """

    encodings: tuple[str, ...]
    num_bad: int = 0
    num_not_utf8: int = 0
    num_lines: int = 0


def look(lines: Iterable[bytes]) -> Look:
    """Looks at the lines of a file, which end with line feeds; those of utf-16 and utf-32 may end anywhere."""
    tally, block, num_lines = _Tally(), list[bytes](), 0
    for line in lines:
        if not num_lines and (wide := _wide(line)):
            return Look((wide,))
        num_lines += 1
        if not line.isascii():
            block.append(line)
        if len(block) == LINES_AT_ONCE:
            tally.add(block)
            block = []
    tally.add(block)
    encodings = tally.best()
    return Look(encodings, tally.bad[encodings[0]], tally.bad["utf-8"], num_lines)


def _wide(start: bytes) -> str | None:
    """Returns the encoding of a file in which a character of English takes several bytes."""
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    pairs = len(start[:SAMPLE_BYTES]) // 2
    if pairs and start[: 2 * pairs : 2].count(0) > pairs / 2:
        return "utf-16-be"
    return "utf-16-le" if pairs and start[1 : 2 * pairs : 2].count(0) > pairs / 2 else None


class _Tally:
    """How many lines each encoding does not decode, of those that are not ASCII."""

    def __init__(self) -> None:
        self.bad = dict.fromkeys(CANDIDATES, 0)
        self._sample = bytearray()
        self._num_lines = 0

    def add(self, block: Sequence[bytes]) -> None:
        """Tries the lines; a character never crosses the end of one."""
        content = b"".join(block)
        self._sample += content[: SAMPLE_BYTES - len(self._sample)]
        self._num_lines += len(block)
        for encoding in list(self.bad):
            if not _decodes(content, encoding):
                self.bad[encoding] += sum(not _decodes(line, encoding) for line in block)
                if encoding != CANDIDATES[0] and self.bad[encoding] > MOST_BAD * self._num_lines:
                    del self.bad[encoding]

    def best(self) -> tuple[str, ...]:
        """Returns the encodings that decode most, in the order in which they make text of the lines."""
        if not self.bad[CANDIDATES[0]] or self._is_damaged_utf8():  # nothing else is utf-8 by chance
            return CANDIDATES[:1]
        fewest = min(count for encoding, count in self.bad.items() if encoding != CANDIDATES[0])
        fitting = [encoding for encoding in self.bad if self.bad[encoding] == fewest]
        from charset_normalizer import from_bytes

        matches = list(from_bytes(bytes(self._sample), cp_isolation=fitting))
        if not matches:
            return tuple(fitting[:1])
        chaos = min(match.chaos for match in matches) + EQUAL_CHAOS
        clear = [match for match in matches if match.chaos <= chaos]
        coherence = max(match.coherence for match in clear) - EQUAL_COHERENCE
        best = {each for match in clear if match.coherence >= coherence for each in match.could_be_from_charset}
        return tuple(encoding for encoding in fitting if encoding in best)

    def _is_damaged_utf8(self) -> bool:
        """Whether the sample has far more characters of utf-8 than bytes that are none of it."""
        text = bytes(self._sample).decode("utf-8", "surrogateescape")
        num_bad = sum("\udc80" <= character <= "\udcff" for character in text)
        num_characters = sum(not character.isascii() for character in text) - num_bad
        return len(self.bad) == 1 or num_characters > 2 * num_bad


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
