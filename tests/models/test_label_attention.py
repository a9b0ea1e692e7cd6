import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stackstudy.models.label_attention import LabelAttention

D, LABELS = 6, 3


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def network(dropout: float = 0.2) -> LabelAttention:
    return LabelAttention(D, 16, LABELS, dropout, torch.randn(LABELS, D)).eval()


def question(*lengths: int, width: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return title, body and mask of questions with so many pieces; padding is not a number, so that it is not used."""
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    body = torch.randn(len(lengths), width, D).masked_fill(~mask[..., None], torch.nan)
    return torch.randn(len(lengths), D), body, mask


def test_padding_is_not_seen():
    model = network()
    title, body, mask = question(5, 0, 3)
    logits, looked = model(title, body, mask), model.attention(title, body, mask)
    assert logits.shape == (3, LABELS)
    assert (looked[..., 1:].transpose(1, 2)[~mask] == 0).all()
    torch.testing.assert_close(looked.sum(dim=2), torch.ones(3, LABELS))
    for row, length in enumerate((5, 0, 3)):
        alone = model(title[row : row + 1], body[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], logits[row])


def test_a_question_without_a_body_is_its_title():
    model = network()
    looked = model.attention(*question(0, 2))
    torch.testing.assert_close(looked[0, :, 0], torch.ones(LABELS))
    assert (looked[1, :, 0] < 1).all()


def test_each_label_has_a_query_of_its_own():
    model = network()
    asked = question(4, 4)
    before, looked = model(*asked), model.attention(*asked)
    assert not torch.isclose(looked[:, 0], looked[:, 1]).all()
    with torch.no_grad():
        model.label_vectors[0] = -3 * model.label_vectors[0]
    after = model(*asked)
    assert not torch.isclose(after[:, 0], before[:, 0]).any()
    torch.testing.assert_close(after[:, 1:], before[:, 1:])


def test_a_saved_state_brings_the_queries():
    model = network()
    again = LabelAttention(**model.arguments).eval()
    asked = question(2, 3)
    assert not torch.isclose(again(*asked), model(*asked)).any()
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again(*asked), model(*asked))


def test_it_learns_which_pieces_say_that_a_label_is_there():
    random = np.random.default_rng(0)
    directions = torch.tensor(random.normal(size=(LABELS, D)), dtype=torch.float32)
    labels = torch.tensor(random.random((200, LABELS)) < 0.4, dtype=torch.float32)
    body = 0.3 * torch.randn(200, LABELS, D) + labels[..., None] * directions  # piece i speaks of label i, if at all
    body = torch.stack([pieces[torch.randperm(LABELS)] for pieces in body])
    title, mask = 0.3 * torch.randn(200, D), torch.ones(200, LABELS, dtype=torch.bool)
    model = LabelAttention(D, 32, LABELS, 0.0, directions)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(title[:150], body[:150], mask[:150]), labels[:150]).backward()
        optimizer.step()
    with torch.no_grad():
        found = model.eval()(title[150:], body[150:], mask[150:]) > 0
    assert (found == (labels[150:] > 0)).float().mean() > 0.9
