"""Where to compute, and in which numbers: the rules by which encoders and networks choose device and precision."""

import torch
from torch import nn


def pick_device(device: str) -> str:
    """Resolve `auto`; ValueError for a device that this machine does not have."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, there in present.items() if there)
    if not present.get(device.split(":")[0], False):
        there = ", ".join(name for name, is_there in present.items() if is_there)
        raise ValueError(f"device {device} is not available here: choose auto or one of {there}")
    return device


def in_bfloat16(device: torch.device | str) -> bool:
    """Tell whether networks are trained, and texts embedded, in bfloat16: on GPUs and CPUs with instructions for it.

    On a CPU these are AVX-512 BF16, twice as many products a second as in float32. PyTorch's own environment variable
    ``ATEN_CPU_CAPABILITY=avx2`` turns them off.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return kind == "cpu" and wide and torch.cpu.get_capabilities().get("avx512_bf16", False)


def has_half_weights(model: nn.Module) -> bool:
    """Tell whether weights of `model` are in half precision themselves, as large encoders are stored."""
    return any(weight.dtype in (torch.bfloat16, torch.float16) for weight in model.parameters())
