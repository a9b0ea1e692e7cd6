import pytest

from stackstudy.devices import pick_device


def test_devices():
    assert pick_device("auto") in ("cuda", "mps", "cpu")
    assert pick_device("cpu") == "cpu"
    with pytest.raises(ValueError, match=r"device tpu is not available here: choose auto or one of .*cpu"):
        pick_device("tpu")
