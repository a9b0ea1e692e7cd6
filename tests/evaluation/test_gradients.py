import numpy as np
import pytest
import torch
from torch import nn

from stackstudy.evaluation import gradients
from stackstudy.evaluation.audit import LOWERS, NOTHING, effects
from stackstudy.evaluation.audit_rows import TagTask
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.models.dsf import DSFCrossAttention
from stackstudy.models.losses import AsymmetricLoss
from stackstudy.questions.schema import row_hash
from stackstudy.tagspace.space import TagSpace

GAMMAS = (2.0, 1.0)
ASL = {"loss": "asl", "gamma_negative": 2.0, "gamma_positive": 1.0}


@pytest.fixture
def task(questions, labels) -> TagTask:
    return TagTask(questions, TagSpace(list("abcdefgh"), np.eye(8, dtype=np.float32), None, labels))


def predictions(task: TagTask, missed: float) -> Predictions:
    """Two seeds at .9 and .1, in which one label is missed wherever it is there, with probability `missed`."""
    rows = rows_of(task.questions, "validation", "test")
    truth = task.space.labels[rows].toarray()
    values = np.where(truth, 0.9, 0.1)
    values[:, 0] = np.where(truth[:, 0], missed, 0.1)
    about = ("dsf-crossattn", "tags", row_hash(task.questions), rows, np.arange(2))
    return Predictions(*about, np.stack([values, values]), ASL)


def test_both_forms_have_one_value_and_one_gradient_where_nothing_is_clamped():
    logits, labels = np.linspace(-6, 6, 40).reshape(4, 10), np.arange(40).reshape(4, 10) % 3 == 0
    published, corrected = gradients.PublishedAsymmetricLoss(*GAMMAS), AsymmetricLoss(*GAMMAS)
    points = torch.tensor(logits, dtype=torch.float32), torch.from_numpy(labels).float()
    assert published(*points).item() == pytest.approx(corrected(*points).item(), rel=1e-5)
    found = [gradients.gradients(loss, logits, labels) for loss in (published, corrected)]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)


def test_the_table_shows_what_the_published_form_does(task):
    network = DSFCrossAttention(16, 8, 4, dropout=0.1)
    table = gradients.gradient_table(network, predictions(task, 0.5))
    assert table["form"].to_list() == ["published", "corrected"]
    assert table["missed"].to_list() == pytest.approx([0, -1], abs=1e-6)
    kept, none = table["kept"]
    assert kept > 8
    assert none == 0
    assert torch.is_grad_enabled()


def test_labels_that_are_missed_completely_send_back_nothing_in_the_published_form(task):
    (row,) = effects([gradients.gradient_row(task, predictions(task, 1e-12))], 200, 0).to_dicts()
    assert row["corrected"] == pytest.approx(1)
    assert row["verdict"] == LOWERS
    assert row["published"] < 0.5
    (row,) = effects([gradients.gradient_row(task, predictions(task, 1e-3))], 200, 0).to_dicts()
    assert row["verdict"] == NOTHING


def test_a_network_with_another_loss_is_refused(task):
    other = predictions(task, 0.5)
    other.parameters["loss"] = "bce"
    with pytest.raises(ValueError, match="dsf-crossattn was trained with bce, not with asl"):
        gradients.gradient_row(task, other)


def test_a_loss_that_switches_nothing_keeps_nothing():
    assert gradients.kept_numbers(DSFCrossAttention(16, 8, 4, dropout=0.1), nn.BCEWithLogitsLoss()) == 0


@pytest.mark.parametrize("loss", [gradients.PublishedAsymmetricLoss, AsymmetricLoss])
def test_the_published_form_turns_gradients_on_and_the_corrected_one_leaves_them_off(loss):
    with torch.no_grad():
        loss(*GAMMAS)(torch.zeros(1, 1), torch.ones(1, 1))
        assert torch.is_grad_enabled() == (loss is gradients.PublishedAsymmetricLoss)
