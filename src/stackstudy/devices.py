"""Where to compute: the one rule by which encoders and networks choose their device."""

import torch


def pick_device(device: str) -> str:
    """Resolve `auto`; ValueError for a device that this machine does not have."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, there in present.items() if there)
    if not present.get(device.split(":")[0], False):
        there = ", ".join(name for name, is_there in present.items() if is_there)
        raise ValueError(f"device {device} is not available here: choose auto or one of {there}")
    return device
