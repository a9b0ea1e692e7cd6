import pytest
import torch
from torch import nn

from stackstudy.models.attention import CrossAttention, EncoderLayer, SelfAttention, spread

WIDTH, HEADS = 12, 3
MASK = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 1], [0, 1, 1, 0]]).bool()
EMPTY = torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]]).bool()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_cross_attention_is_that_of_torch():
    ours, reference = CrossAttention(WIDTH, HEADS), nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    copy(reference, [ours.query, ours.key, ours.value], ours.out)
    query, tokens = torch.randn(4, WIDTH), torch.randn(4, 4, WIDTH)
    expected, weights = reference(query[:, None], tokens, tokens, key_padding_mask=~MASK, average_attn_weights=False)
    torch.testing.assert_close(ours(query, tokens, MASK), expected[:, 0])
    torch.testing.assert_close(ours.weights(query, tokens, MASK), weights[:, :, 0])


def test_self_attention_is_that_of_torch():
    ours, reference = SelfAttention(WIDTH, HEADS), nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    copy(reference, [ours.query_key_value], ours.out)
    tokens = torch.randn(4, 4, WIDTH)
    expected, _ = reference(tokens, tokens, tokens, key_padding_mask=~MASK)
    torch.testing.assert_close(ours(tokens[MASK], MASK), expected[MASK])


def test_encoder_layer_is_that_of_torch():
    ours = EncoderLayer(WIDTH, HEADS, dropout=0.5).eval()
    reference = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, batch_first=True).eval()
    copy(reference.self_attn, [ours.self_attention.query_key_value], ours.self_attention.out)
    pairs = [(ours.feed_forward[0], reference.linear1), (ours.feed_forward[3], reference.linear2)]
    for mine, theirs in [*pairs, (ours.norms[0], reference.norm1), (ours.norms[1], reference.norm2)]:
        mine.load_state_dict(theirs.state_dict())
    tokens = torch.randn(4, 4, WIDTH)
    with torch.no_grad():
        expected = reference(tokens, src_key_padding_mask=~MASK)
    torch.testing.assert_close(ours(tokens[MASK], MASK), expected[MASK])


def test_the_weights_are_those_of_the_sum():
    attention = CrossAttention(WIDTH, HEADS)
    query, tokens = torch.randn(4, WIDTH), torch.randn(4, 4, WIDTH)
    weights = attention.weights(query, tokens, MASK)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(4, HEADS))
    assert not weights.masked_select(~MASK[:, None]).any()
    values = attention.value(tokens).unflatten(2, (HEADS, -1))
    summed = torch.einsum("bht,bthd->bhd", weights, values).flatten(1)
    torch.testing.assert_close(attention(query, tokens, MASK), attention.out(summed))


def test_over_nothing_attention_is_zero_and_its_gradients_are_finite():
    attention = CrossAttention(WIDTH, HEADS)
    query, tokens = torch.randn(2, WIDTH, requires_grad=True), torch.randn(2, 4, WIDTH, requires_grad=True)
    found = attention(query, tokens, EMPTY)
    assert found[0].all()
    assert not found[1].any()
    assert not attention.weights(query, tokens, EMPTY)[1].any()
    found.sum().backward()
    assert all(each.grad.isfinite().all() for each in (query, tokens, *attention.parameters()))
    assert not query.grad[1].any()


def test_self_attention_leaves_out_a_row_of_nothing():
    attention = SelfAttention(WIDTH, HEADS)
    tokens = torch.randn(4, WIDTH, requires_grad=True)
    found = attention(tokens, EMPTY)
    torch.testing.assert_close(found, attention(tokens, EMPTY[:1]))
    found.sum().backward()
    assert all(each.grad.isfinite().all() for each in (tokens, *attention.parameters()))


def test_spread_is_the_inverse_of_a_mask():
    real = torch.randn(int(MASK.sum()), WIDTH)
    tokens = spread(real, MASK)
    assert torch.equal(tokens[MASK], real)
    assert not tokens[~MASK].any()


@pytest.mark.parametrize("attention", [CrossAttention, SelfAttention])
def test_heads_that_do_not_share_the_width_are_refused(attention):
    with pytest.raises(ValueError, match="hidden: 12 is not a multiple of the 8 attention heads"):
        attention(12, 8)


@torch.no_grad()
def copy(reference: nn.MultiheadAttention, projections: list[nn.Linear], out: nn.Linear) -> None:
    """Give `reference` the weights of our query, key and value projections, and of the last layer."""
    reference.in_proj_weight.copy_(torch.cat([each.weight for each in projections]))
    biases = [torch.zeros(each.out_features) if each.bias is None else each.bias for each in projections]
    reference.in_proj_bias.copy_(torch.cat(biases))
    reference.out_proj.weight.copy_(out.weight)
    reference.out_proj.bias.copy_(out.bias)
