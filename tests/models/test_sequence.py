"""What is special to the sequence-aware network; what it has in common with the others is in test_dsf."""

import pytest
import torch
from torch import nn

from stackstudy.models.sequence import SequenceDSF


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def network(kernel: int = 3, dropout: float = 0.0) -> SequenceDSF:
    return SequenceDSF(inputs=6, hidden=16, outputs=3, dropout=dropout, heads=4, kernel=kernel)


def test_published_sizes():
    with torch.device("meta"):
        model = SequenceDSF(4096, 512, 100, dropout=0.5, label_count=True)
    assert [type(layer).__name__ for layer in model.convolution] == ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert model.convolution[0].weight.shape == (512, 3 * 4096)
    assert model.encoder.feed_forward[0].weight.shape == (2048, 512)
    assert model.count.weight.shape == (32, 1)
    assert model.head[0].weight.shape == (512, 512 + 512 + 32)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_windows_are_those_of_a_convolution(kernel):
    model = network(kernel)
    body, mask = torch.randn(2, 7, 6), torch.arange(7) < torch.tensor([[7], [4]])
    seen = []
    model.convolution[0].register_forward_hook(lambda *call: seen.append(call[-1]))
    model(torch.randn(2, 6), body, mask)
    reference = nn.Conv1d(6, 16, kernel, padding="same")
    reference.weight.data = model.convolution[0].weight.unflatten(1, (6, kernel))
    reference.bias.data = model.convolution[0].bias
    expected = reference((body * mask[..., None]).transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(seen[0], expected[mask])


def test_padding_does_not_enter_the_statistics_of_a_batch():
    wide, narrow = network(), network()
    narrow.load_state_dict(wide.state_dict())
    title, body, mask = torch.randn(3, 6), torch.randn(3, 9, 6), torch.arange(9) < torch.tensor([[4], [2], [3]])
    torch.testing.assert_close(wide(title, body, mask), narrow(title, body[:, :4], mask[:, :4]))
    for name, value in wide.named_buffers():
        torch.testing.assert_close(value, narrow.get_buffer(name))


def test_the_order_of_the_vectors_counts():
    model = network().eval()
    title, body, mask = torch.randn(2, 6), torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool)
    assert not torch.isclose(model(title, body.flip(1), mask), model(title, body, mask)).any()


def test_vectors_meet_those_far_away():
    model = network().eval()
    body, mask = torch.randn(1, 9, 6), torch.ones(1, 9, dtype=torch.bool)
    other = body.clone()
    other[0, 8] = torch.randn(6)
    assert not torch.isclose(model._sequence(other, mask)[0, 0], model._sequence(body, mask)[0, 0]).any()


def test_dropout_is_everywhere_at_once():
    rates = [layer.p for layer in network(dropout=0.4).modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.4] * 4
