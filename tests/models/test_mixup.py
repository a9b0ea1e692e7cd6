"""Mixup: what is blended with what, at which level, and that nothing of it is left in the network."""

from collections import Counter

import pytest
import torch
from torch import nn

from stackstudy.models.dsf import DSFCrossAttention
from stackstudy.models.mixup import Blend, Mixup, blended, draw, set_dropout
from stackstudy.models.mlp import BodyMLP

BLEND = Blend(0.75, torch.tensor([1, 2, 0]))
MANIFOLD = Mixup("manifold", alpha=0.4, epochs=1, late_dropout=0.1)


def network() -> BodyMLP:
    torch.manual_seed(0)
    return BodyMLP(4, (6, 5), 2, dropout=0.0)


def test_a_row_keeps_its_share_and_its_partner_gives_the_rest():
    values = torch.tensor([[0.0, 4.0], [8.0, 0.0], [4.0, 4.0]])
    assert BLEND(values).tolist() == [[2, 3], [7, 1], [3, 4]]


def test_a_mask_becomes_that_of_either():
    mask = torch.tensor([[True, False], [True, True], [False, False]])
    assert BLEND(mask).tolist() == [[True, True], [True, True], [True, False]]


def test_shares_follow_the_beta_distribution_and_partners_are_a_permutation():
    torch.manual_seed(0)
    blends = [draw(0.4, torch.empty(5, 1)) for _ in range(2000)]
    shares = torch.tensor([blend.share for blend in blends])
    expected = torch.distributions.Beta(0.4, 0.4)
    assert shares.mean().item() == pytest.approx(0.5, abs=0.03)
    assert shares.var().item() == pytest.approx(expected.variance.item(), rel=0.05)
    assert all(sorted(blend.partner.tolist()) == [0, 1, 2, 3, 4] for blend in blends)
    assert len({tuple(blend.partner.tolist()) for blend in blends}) == 120


def test_input_mixup_is_the_network_at_the_blend_of_its_inputs():
    model, inputs, targets = network(), torch.randn(3, 4), torch.eye(3)[:, :2]
    torch.manual_seed(5)
    outputs, blend_targets = Mixup("input", 0.4, 1, 0.1).outputs(model, (inputs,), targets)
    torch.manual_seed(5)
    blend = draw(0.4, targets)
    torch.testing.assert_close(outputs, model(blend(inputs)))
    torch.testing.assert_close(blend_targets, blend(targets))


def test_pieces_of_different_number_are_blended_where_both_have_one():
    model = DSFCrossAttention(4, 16, 2, dropout=0.0).eval()
    title, pieces = torch.randn(3, 4), torch.randn(3, 2, 4)
    mask = torch.tensor([[True, False], [True, True], [True, False]])
    pieces = pieces.masked_fill(~mask[..., None], 0)
    expected = model(BLEND(title), BLEND(pieces), torch.tensor([[True, True], [True, True], [True, False]]))
    torch.testing.assert_close(model(*map(BLEND, (title, pieces, mask))), expected)
    torch.testing.assert_close(BLEND(pieces)[0, 1], 0.25 * pieces[1, 1])


@pytest.mark.parametrize("level", [0, 1])
def test_a_blended_level_is_what_the_rest_of_the_network_sees(level):
    model, inputs = network(), torch.randn(3, 4)
    with blended(model.mixing_points()[level], BLEND):
        outputs = model(inputs)
    (module,) = model.mixing_points()[level]
    at = list(model.body).index(module) + 1
    torch.testing.assert_close(outputs, model.head(model.body[at:](BLEND(model.body[:at](inputs)))))


def test_every_level_is_drawn_and_hooks_do_not_stay():
    model, inputs, targets = network(), torch.randn(3, 4), torch.zeros(3, 2)
    before, levels = model(inputs), Counter()
    for level, (module,) in enumerate(model.mixing_points()):
        module.register_forward_pre_hook(
            lambda module, _, level=level: levels.update([level] if module._forward_hooks else [])
        )
    torch.manual_seed(0)
    for _ in range(200):
        MANIFOLD.outputs(model, (inputs,), targets)
    assert set(levels) == {0, 1}
    assert levels.total() == 200
    assert min(levels.values()) > 60
    torch.testing.assert_close(model(inputs), before)


def test_hooks_do_not_stay_after_an_error_either():
    model = network()
    with pytest.raises(RuntimeError, match="shapes"):
        MANIFOLD.outputs(model, (torch.randn(3, 9),), torch.zeros(3, 2))
    assert not any(module._forward_hooks for module in model.modules())


def test_mixup_draws_on_the_seed_alone():
    def draws() -> torch.Tensor:
        torch.manual_seed(3)
        return MANIFOLD.outputs(model, (inputs,), targets)[0]

    model, inputs, targets = network(), torch.randn(3, 4), torch.zeros(3, 2)
    assert torch.equal(draws(), draws())


def test_all_dropout_is_set():
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, dropout=0.5), nn.Dropout(0.5))
    set_dropout(model, 0.25)
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.25] * 4
    assert model[0].self_attn.dropout == 0.25


def test_a_phase_without_mixup_leaves_inputs_and_targets():
    model, inputs, targets = network(), torch.rand(3, 4), torch.rand(3, 2)
    outputs, wanted = Mixup("none", alpha=0.4, epochs=1, late_dropout=0.1).outputs(model, [inputs], targets)
    torch.testing.assert_close(outputs, model(inputs))
    assert wanted is targets
