"""The precision in which networks compute, whatever processor the tests run on."""

import pytest
import torch


@pytest.fixture
def float32(monkeypatch):
    """Compute in float32 here and in processes that are started."""
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.fixture
def bfloat16(monkeypatch):
    """Compute in bfloat16 here, by emulation where the processor has no instructions for it."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
