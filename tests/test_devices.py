import pytest
import torch

from stackstudy.devices import in_bfloat16, pick_device


def test_devices():
    assert pick_device("auto") in ("cuda", "mps", "cpu")
    assert pick_device("cpu") == "cpu"
    with pytest.raises(ValueError, match=r"device tpu is not available here: choose auto or one of .*cpu"):
        pick_device("tpu")


def test_products_are_in_bfloat16_on_a_processor_that_has_it(bfloat16):
    assert in_bfloat16("cpu")
    assert not in_bfloat16("mps")


def test_products_are_in_float32_where_pytorch_is_told_to_leave_avx512_out(float32):
    assert not in_bfloat16(torch.device("cpu"))


def test_products_are_in_float32_on_a_processor_without_the_instructions(bfloat16, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    assert not in_bfloat16("cpu")


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_that_only_emulates_bfloat16_computes_in_float32(monkeypatch, native):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native or including_emulation)
    assert in_bfloat16("cuda:1") == native
