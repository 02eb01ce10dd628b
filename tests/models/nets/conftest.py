"""Texts of random tokens, and their vocabulary."""

# B batch, T tokens

import pytest
import torch


@pytest.fixture
def tokens():
    return [str(number) for number in range(50)]


@pytest.fixture
def texts():
    """Five texts of 1 to 9 tokens, as (ids_BT, mask_BT)."""
    texts = [[7], [3, 3], [5, 6, 7, 8], [9, 2, 9, 2, 9, 2, 4], list(range(10, 19))]
    ids_BT = torch.tensor([text + [0] * (9 - len(text)) for text in texts])
    return ids_BT, ids_BT != 0
