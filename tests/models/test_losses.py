import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.models.losses import AsymmetricLoss, FocalLoss, class_weights

LOSSES = [
    AsymmetricLoss(4, 1),
    AsymmetricLoss(2, 1),
    AsymmetricLoss(2, 0, clip=0),
    FocalLoss(),
    FocalLoss(smoothing=0.05),
]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def batch(rows: int = 6, labels: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(rows, labels, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), (torch.rand(rows, labels, generator=generator) < 0.3).double()


def test_asl_without_focus_and_clip_is_cross_entropy():
    logits, targets = batch()
    torch.testing.assert_close(AsymmetricLoss(0, 0, clip=0)(logits, targets), cross_entropy(logits, targets))


def test_focal_without_focus_is_cross_entropy():
    logits, targets = batch()
    torch.testing.assert_close(2 * FocalLoss(alpha=0.5, gamma=0)(logits, targets), cross_entropy(logits, targets))


@pytest.mark.parametrize("gamma", [0.5, 1, 2, 4])
def test_asl_with_equal_gammas_is_focal(gamma):
    logits, targets = batch()
    focal = FocalLoss(alpha=0.5, gamma=gamma)(logits, targets)
    torch.testing.assert_close(AsymmetricLoss(gamma, gamma, clip=0)(logits, targets), 2 * focal)


def test_focal_is_the_formula_of_its_paper():
    logits, targets = batch()
    p = torch.sigmoid(logits)
    right = torch.where(targets == 1, p, 1 - p)
    alpha = torch.where(targets == 1, 0.25, 0.75)
    expected = (-alpha * (1 - right) ** 2 * right.log()).mean()
    torch.testing.assert_close(FocalLoss(alpha=0.25, gamma=2)(logits, targets), expected)


def test_smoothing_is_focal_loss_of_moved_targets():
    logits, targets = batch()
    moved = torch.where(targets == 1, 0.975, 0.025).double()
    torch.testing.assert_close(FocalLoss(smoothing=0.05)(logits, targets), FocalLoss()(logits, moved))


def test_focal_gradient():
    logits, targets = batch()
    assert torch.autograd.gradcheck(lambda x: FocalLoss()(x, targets), logits)
    assert torch.autograd.gradcheck(lambda x: FocalLoss(gamma=0.5, smoothing=0.1)(x, targets), logits)


@pytest.mark.parametrize("clip", [0, 0.05, 0.3])
def test_asl_gradient_takes_the_weights_as_constants(clip):
    logits, targets = batch()
    (found,) = torch.autograd.grad(AsymmetricLoss(4, 1, clip)(logits, targets), logits)
    p = torch.sigmoid(logits.detach())
    q = (p - clip).clamp(min=0)
    positive = (1 - p) * -(1 - p)  # weight, times the derivative of -log p
    negative = q**4 * (p * (1 - p)) / (1 - q)  # weight, times the derivative of -log(1 - q)
    torch.testing.assert_close(found, torch.where(targets == 1, positive, negative) / targets.numel())


def test_an_easy_negative_costs_nothing_below_the_clip():
    logits = torch.tensor([[-4.0, -3.0]], requires_grad=True)  # p = .018 and .047
    loss = AsymmetricLoss(0, 0, clip=0.05)(logits, torch.zeros(1, 2))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


@each_loss
def test_easy_elements_weigh_less_than_in_cross_entropy(loss):
    targets = torch.tensor([[0.0]])
    easy, hard = torch.tensor([[-2.0]]), torch.tensor([[2.0]])
    ratio = loss(easy, targets) / loss(hard, targets)
    assert ratio < 0.5 * cross_entropy(easy, targets) / cross_entropy(hard, targets)


@each_loss
@given(share=st.floats(0, 1))
def test_a_mixed_target_has_the_mixed_loss(loss, share):
    logits, one = batch()
    other = one.flip(0)
    mixed = loss(logits, share * one + (1 - share) * other)
    torch.testing.assert_close(mixed, share * loss(logits, one) + (1 - share) * loss(logits, other))


@each_loss
def test_extreme_logits_have_finite_losses_and_gradients(loss):
    logits = torch.tensor([[-200.0, -30.0, 0.0, 30.0, 200.0]] * 2, requires_grad=True)
    value = loss(logits, torch.tensor([[0.0] * 5, [1.0] * 5]))
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()
    assert (logits.grad[1, :3] < 0).all()  # a missed positive always pulls, however far off


@each_loss
def test_half_precision_logits_are_computed_in_the_targets_precision(loss):
    logits, targets = (each.detach().float() for each in batch())
    half = logits.bfloat16()
    assert torch.equal(loss(half, targets), loss(half.float(), targets))


@each_loss
def test_the_mean_does_not_depend_on_the_size_of_the_batch(loss):
    logits, targets = batch()
    torch.testing.assert_close(loss(logits.repeat(3, 2), targets.repeat(3, 2)), loss(logits, targets))


@pytest.mark.parametrize("enabled", [True, False])
@each_loss
def test_gradients_are_on_or_off_as_before(loss, enabled):
    logits, targets = batch()
    with torch.set_grad_enabled(enabled):
        assert loss(logits, targets).requires_grad == enabled
        assert torch.is_grad_enabled() == enabled
        with pytest.raises(RuntimeError):
            loss(logits, targets[:, :2])  # other labels than the logits have
        assert torch.is_grad_enabled() == enabled


def test_class_weights():
    targets = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    torch.testing.assert_close(class_weights(targets), torch.tensor([0.0, 2, 5**0.5, 2]))  # the third has no row


def test_class_weights_make_up_for_rarity():
    _, targets = batch(rows=200)
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=class_weights(targets))
    logits, plain = torch.zeros_like(targets, requires_grad=True), torch.zeros_like(targets, requires_grad=True)
    loss(logits, targets).backward()
    cross_entropy(plain, targets).backward()
    assert (logits.grad.sum(dim=0) < plain.grad.sum(dim=0)).all()  # towards the positives


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets)
