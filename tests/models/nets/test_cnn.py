# B batch, T tokens, D width

import pytest
import torch
import torch.nn.functional as F

from textune.models import CnnConfig, VectorsConfig


@pytest.mark.parametrize("widths", [(3,), (1, 2, 5), (12,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_convolutions_and_their_gradients(widths, dtype, texts):
    embedding = VectorsConfig(size=6).build(["x"] * 50, None)
    cnn = CnnConfig(widths=widths, num_filters=4).build(embedding).to(dtype)
    ids_BT, mask_BT = texts

    def convolved():
        vectors_BDT = embedding(ids_BT).transpose(1, 2)
        padded = [F.pad(vectors_BDT, ((width - 1) // 2, width // 2)) for width in widths]
        return (
            torch.cat([layer(x) for layer, x in zip(cnn.convolutions, padded, strict=True)], 1).transpose(1, 2).relu()
        )

    weights = torch.rand_like(convolved())
    gradients = []
    for hidden in (cnn(ids_BT, mask_BT)[0], convolved()):
        cnn.zero_grad()
        (hidden * weights).sum().backward()
        gradients.append([weight.grad.clone() for weight in cnn.parameters()])
    torch.testing.assert_close(cnn(ids_BT, mask_BT)[0], convolved())
    torch.testing.assert_close(gradients[0], gradients[1])
