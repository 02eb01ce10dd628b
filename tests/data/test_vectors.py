from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from textune.data import vectors
from textune.data.base import SPECIAL_TOKENS
from textune.data.cache import Cache
from textune.data.vectors import load_vectors, vector_words
from textune.errors import DataError

GLOVE = b"the 1 2 3\nof 4 5 6.5\n. . . 7 8 9\ncaf\xc3\xa9 -1e-3 0 1\nof 0 0 0\n"
TOKENS = (*SPECIAL_TOKENS, "caf\u00e9", "unseen", ".", "of", "the")


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def written(tmp_path):
    def write(content: bytes, name: str = "vectors.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.txt.gz"])
@pytest.mark.parametrize("header", [b"", b"5 3\n"])
@pytest.mark.parametrize("end", [b"\n", b" \n", b"\r\n"])
def test_vectors_of_the_tokens_a_file_knows(written, cache, name, header, end):
    path = written(header + GLOVE.replace(b"\n", end), name)
    found = load_vectors(path, TOKENS, 3, cache)
    assert found.index_N.tolist() == [2, 5, 6]
    np.testing.assert_array_equal(found.matrix_ND, np.array([[-1e-3, 0, 1], [4, 5, 6.5], [1, 2, 3]], dtype=np.float32))
    assert found.coverage == 3 / 5
    assert vector_words(path, cache) == ["the", "of", "caf\u00e9"]


def test_special_tokens_have_no_vector(written, cache):
    path = written(b"[PAD] 1\n[UNK] 2\n")
    assert load_vectors(path, SPECIAL_TOKENS, 1, cache).matrix_ND.shape == (0, 1)


def test_blocks_of_lines_make_one_matrix(written, cache, monkeypatch):
    monkeypatch.setattr(vectors, "LINES_AT_ONCE", 4)
    expected = np.random.default_rng(0).standard_normal((11, 5)).astype(np.float32)
    path = written(
        "".join(f"w{row} {' '.join(map(repr, map(float, values)))}\n" for row, values in enumerate(expected)).encode()
    )
    tokens = [f"w{row}" for row in range(10, -1, -1)]
    np.testing.assert_array_equal(load_vectors(path, tokens, 5, cache).matrix_ND, expected[::-1])


def test_a_file_is_read_once_until_it_changes(written, cache):
    path = written(GLOVE)
    load_vectors(path, TOKENS, 3, cache)
    time = path.stat().st_mtime_ns
    path.write_bytes(b"x" * len(GLOVE))
    os.utime(path, ns=(time, time))
    assert len(load_vectors(path, TOKENS, 3, cache).index_N) == 3
    path.write_bytes(b"the 7 7 7\n")
    assert load_vectors(path, TOKENS, 3, cache).matrix_ND.tolist() == [[7, 7, 7]]


@pytest.mark.parametrize(
    ("content", "size", "message"),
    [
        (GLOVE, 5, r"vectors\.txt:1 has a vector of 3 numbers, and model\.embedding\.size is 5; set .* to 3"),
        (b"5 3\n" + GLOVE, 5, r"vectors\.txt:2 has a vector of 3 numbers"),
        (b"the 1 2 3\nof 4 5\n", 3, r"vectors\.txt:2 does not hold 3 finite numbers"),
        (b"the 1 2 3\nof 4 five 6\n", 3, r"vectors\.txt:2 does not hold 3 finite numbers"),
        (b"the 1 2 3\nof 4 nan 6\n", 3, r"vectors\.txt:2 does not hold 3 finite numbers"),
        (b"5 3\nthe 1 2 3\nof 4\n", 3, r"vectors\.txt:3 does not hold 3 finite numbers"),
        (b"", 3, r"vectors\.txt:1 has no word vector"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(written, cache, content, size, message):
    with pytest.raises(DataError, match=message):
        load_vectors(written(content), TOKENS, size, cache)


def test_an_unreadable_file_is_told(written, cache, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt cannot be read: No such file"):
        load_vectors(tmp_path / "nowhere.txt", TOKENS, 3, cache)
    path = written(GLOVE, "vectors.txt.gz")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"vectors\.txt\.gz cannot be read: "):
        load_vectors(path, TOKENS, 3, cache)
    path.write_bytes(GLOVE)
    with pytest.raises(DataError, match=r"vectors\.txt\.gz cannot be read: Not a gzipped file"):
        load_vectors(path, TOKENS, 3, cache)


@pytest.mark.skipif("TEXTUNE_DATA" not in os.environ, reason="real data: set TEXTUNE_DATA")
@pytest.mark.parametrize("size", [100, 300])
def test_the_sample_of_glove(cache, size):
    path = Path(os.environ["TEXTUNE_DATA"]) / f"glove_sample/glove.6B.{size}d.sample.txt.gz"
    words = vector_words(path, cache)
    assert len(words) == 100
    assert words[:4] == ["the", ",", ".", "of"]
    found = load_vectors(path, (*SPECIAL_TOKENS, "of", "zyzzyva", "the"), size, cache)
    assert found.index_N.tolist() == [2, 4]
    assert found.coverage == 2 / 3
    first = gzip.decompress(path.read_bytes()).split(b"\n")[0].split()[1:]
    np.testing.assert_array_equal(found.matrix_ND[1], np.array(first, dtype=np.float64).astype(np.float32))


def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "v.txt.gz"
    path.write_bytes(gzip.compress(b"a 1 2\nb 3 4 " + b"0" * 2**21))
    with pytest.raises(DataError, match=r"v\.txt\.gz has a line longer than 1,048,576 bytes"):
        load_vectors(path, ("[PAD]", "[UNK]", "a", "b"), 2, Cache(tmp_path / "cache"))


def test_an_embedding_may_take_vectors_of_whatever_size_the_file_has(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("fine 1 2 3\n")
    assert load_vectors(path, (*SPECIAL_TOKENS, "fine"), None, Cache(tmp_path / "cache")).matrix_ND.tolist() == [
        [1, 2, 3]
    ]
