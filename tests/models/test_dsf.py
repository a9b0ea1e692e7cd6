import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.sequence import SequenceDSF

D, LABELS = 6, 3
fusions = pytest.mark.parametrize("fusion", [DSFMHSA, DSFCrossAttention, SequenceDSF])
asking = pytest.mark.parametrize("fusion", [DSFCrossAttention, SequenceDSF])
unordered = pytest.mark.parametrize("fusion", [DSFMHSA, DSFCrossAttention])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def network(fusion: type[nn.Module], **options: object) -> nn.Module:
    return fusion(**{"inputs": D, "hidden": 16, "outputs": LABELS, "dropout": 0.2, "heads": 4} | options).eval()


def question(*lengths: int, width: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return title, body and mask of questions with so many pieces; padding is not a number, so that it is not used."""
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    body = torch.randn(len(lengths), width, D).masked_fill(~mask[..., None], torch.nan)
    return torch.randn(len(lengths), D), body, mask


def test_published_sizes():
    with torch.device("meta"):
        mhsa = DSFMHSA(4096, 1024, 100, dropout=0.3, label_count=True)
        cross = DSFCrossAttention(4096, 1024, 100, dropout=0.5, label_count=True)
    for published in (mhsa, cross):
        for stream in (published.title_stream, published.body_stream):
            assert [type(layer).__name__ for layer in stream] == ["Linear", "LayerNorm", "GELU", "Dropout"]
            assert stream[0].weight.shape == (1024, 4096)
        assert published.head[0].weight.shape == (1024, 2 * 1024 + 1)
        assert published.head[-1].weight.shape == (100, 1024)
    assert mhsa.self_attention.heads == cross.cross_attention.heads == 8
    assert [type(layer).__name__ for layer in cross.head] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]


@fusions
def test_padding_changes_nothing(fusion):
    model = network(fusion)
    title, body, mask = question(5, 1, 3)
    logits = model(title, body, mask)
    assert logits.shape == (3, LABELS)
    for row, length in enumerate((5, 1, 3)):
        alone = model(title[row : row + 1], body[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], logits[row])


@fusions
def test_a_body_of_padding_has_finite_logits_and_gradients(fusion):
    model = network(fusion).train()
    title, body, mask = question(3, 0, 2)
    title.requires_grad_()
    logits = model(title, body, mask)
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(each.grad.isfinite().all() for each in (title, *model.parameters()) if each.grad is not None)
    alone = model.eval()(title[1:2], body[1:2], mask[1:2])  # a batch of nothing else
    torch.testing.assert_close(alone, model(title, body, mask)[1:2])


@fusions
@pytest.mark.parametrize("change", ["title", "body"])
def test_both_streams_count(fusion, change):
    model = network(fusion)
    title, body, mask = question(3, 3)
    other = (title.flip(0), body, mask) if change == "title" else (title, body.flip(0), mask)
    assert not torch.isclose(model(title, body, mask), model(*other)).any()


@unordered
@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(4)))
def test_pieces_have_no_order(fusion, order):
    model = network(fusion)
    title, body, mask = question(4, 3, width=4)
    torch.testing.assert_close(model(title, body[:, order], mask[:, order]), model(title, body, mask))


@asking
def test_the_answer_depends_on_the_question_only_where_there_are_several_keys(fusion):
    model = network(fusion)
    _, body, mask = question(1, 1, width=1)
    assert not depends_on_query(model, body, mask), "published: over one key, attention says the same to every title"
    _, body, mask = question(3, 3)
    assert depends_on_query(model, body, mask), "corrected: over several, it does not"


@asking
def test_attention_that_ignores_the_title_is_found_out(fusion):
    model = network(fusion)
    _, body, mask = question(3, 3)
    nn.init.zeros_(model.cross_attention.key.weight)  # all keys are equal, all weights the same
    assert not depends_on_query(model, body, mask)


@asking
def test_attention_is_what_the_network_uses(fusion):
    model = network(fusion)
    title, body, mask = question(5, 2)
    weights = model.attention(title, body, mask)
    assert weights.shape == (2, 4, 5)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 4))
    assert not weights[1, :, 2:].any()
    term = attention_term(model, title, body, mask)
    nn.init.zeros_(model.cross_attention.query.weight)  # now the weights are other ones, and so is the term
    nn.init.zeros_(model.cross_attention.query.bias)
    assert not torch.isclose(model.attention(title, body, mask), weights)[mask[:, None].expand_as(weights)].any()
    assert not torch.isclose(attention_term(model, title, body, mask), term).any()


@asking
def test_attention_adds_to_the_title(fusion):
    model = network(fusion)
    title, body, mask = question(3, 0)
    seen = []
    model.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(title, body, mask)
    query = model.title_stream(title)
    torch.testing.assert_close(seen[0], query + attention_term(model, title, body, mask))
    assert torch.equal(seen[0][1], query[1])  # to a body of padding, nothing


def test_self_attention_adds_to_title_and_pieces():
    model = network(DSFMHSA)
    title, body, mask = question(3, 0)
    seen = []
    model.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.self_attention.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0] + output))
    model(title, body, mask)
    torch.testing.assert_close(seen[1], seen[0])
    assert len(seen[0]) == 3 + 0 + 2  # pieces and titles


@fusions
def test_counts_are_an_input_only_where_asked_for(fusion):
    title, body, mask = question(3, 2)
    leaking, honest = network(fusion, label_count=True), network(fusion)
    few, many = torch.full((2, 1), 0.2), torch.full((2, 1), 1.0)
    assert not torch.isclose(leaking(title, body, mask, few), leaking(title, body, mask, many)).any()
    with pytest.raises(ValueError, match=r"label_count: this network reads .* give it counts"):
        leaking(title, body, mask)
    with pytest.raises(ValueError, match=r"label_count: this network must not see .* leave the counts out"):
        honest(title, body, mask, few)


@fusions
def test_inputs_of_other_shapes_are_refused(fusion):
    model = network(fusion)
    title, body, mask = question(3, 2)
    for wrong in ((title[:, :-1], body, mask), (title, body[..., :-1], mask), (title, body, mask[:, :-1])):
        with pytest.raises((RuntimeError, IndexError), match=r"(?i)shape|size|mask"):
            model(*wrong)
    with pytest.raises((RuntimeError, IndexError), match=r"(?i)index|bool"):
        model(title, body, mask.float())
    with pytest.raises(ValueError, match="hidden: 10 is not a multiple of the 4 attention heads"):
        network(fusion, hidden=10)


@fusions
@pytest.mark.parametrize("label_count", [False, True])
def test_arguments_make_the_same_network(fusion, label_count):
    model = network(fusion, label_count=label_count)
    again = fusion(**model.arguments).eval()
    again.load_state_dict(model.state_dict())
    inputs = (*question(3, 2), *[torch.ones(2, 1)][: int(label_count)])
    assert torch.equal(again(*inputs), model(*inputs))
    assert again.arguments == model.arguments


@fusions
def test_mixing_points_make_one_state_of_two(fusion):
    model = network(fusion)
    inputs = question(3, 2)
    levels = model.mixing_points()
    assert levels[0] == (model.head[0],)
    assert isinstance(levels[1][0], nn.GELU | nn.ReLU)
    assert len(levels) == 2
    for level in levels:
        mixed = mixed_output(model, level, inputs, share=1.0)
        torch.testing.assert_close(mixed, model(*inputs))  # all of the own state, nothing of the other
        torch.testing.assert_close(mixed_output(model, level, inputs, share=0.0), model(*inputs).flip(0))
        half = mixed_output(model, level, inputs, share=0.5)
        torch.testing.assert_close(half[0], half[1])
        assert not torch.isclose(half[0], mixed[0]).any()


@fusions
def test_the_title_learns_to_pick_its_piece(fusion):
    """Each piece has a topic and a code; the label is the code of the piece on the title's topic."""
    title, body, mask, codes = riddles(2000)
    assert accuracy(fusion, title, body, mask, codes) > 0.9
    # The mean of the pieces says which topics and which codes there are, not which belong together.
    assert accuracy(fusion, title, body.mean(dim=1, keepdim=True), mask[:, :1], codes) < 0.6


def riddles(count: int, topics: int = 3, codes: int = 4) -> tuple[torch.Tensor, ...]:
    order = torch.rand(count, topics).argsort(dim=1)  # of the topics in the body
    code = torch.randint(codes, (count, topics))
    body = torch.cat([torch.eye(topics)[order], torch.eye(codes)[code]], dim=2)
    wanted = torch.randint(topics, (count,))
    title = torch.cat([torch.eye(topics)[wanted], torch.zeros(count, codes)], dim=1)
    answer = code[order == wanted[:, None]]
    return title, body, torch.ones(count, topics, dtype=torch.bool), answer


def accuracy(
    fusion: type[nn.Module], title: torch.Tensor, body: torch.Tensor, mask: torch.Tensor, codes: torch.Tensor
) -> float:
    """Train on the first three quarters, return the accuracy on the rest."""
    model = network(fusion, inputs=title.shape[1], hidden=32, outputs=4, dropout=0.0).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    cut = len(title) * 3 // 4
    for _ in range(12):
        for batch in torch.randperm(cut).split(100):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(title[batch], body[batch], mask[batch]), codes[batch]).backward()
            optimiser.step()
    predicted = model.eval()(title[cut:], body[cut:], mask[cut:]).argmax(dim=1)
    return (predicted == codes[cut:]).float().mean().item()


def depends_on_query(model: nn.Module, body: torch.Tensor, mask: torch.Tensor) -> bool:
    """Tell whether what the title gets from the body changes with the title."""
    one, other = (attention_term(model, torch.randn(len(body), D), body, mask) for _ in range(2))
    return not torch.allclose(one, other, atol=1e-6)


def attention_term(model: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    """Return what the network's cross-attention adds to the title."""
    seen = []
    handle = model.cross_attention.register_forward_hook(lambda *call: seen.append(call[-1]))
    model(*inputs)
    handle.remove()
    return seen[0]


def mixed_output(
    model: nn.Module, level: tuple[nn.Module, ...], inputs: tuple[torch.Tensor, ...], share: float
) -> torch.Tensor:
    """Return the logits where each question's state is mixed with that of the other."""
    handles = [
        module.register_forward_hook(lambda _, __, state: share * state + (1 - share) * state.flip(0))
        for module in level
    ]
    logits = model(*inputs)
    for handle in handles:
        handle.remove()
    return logits
