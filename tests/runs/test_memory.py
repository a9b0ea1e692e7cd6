"""Freed memory is kept: what is allocated next needs no new pages from the system."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource
from stackstudy.runs.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        b"x" * (64 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
assert keep_freed_memory()
faults()
print(usual, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no mallopt")
def test_freed_memory_is_used_again_instead_of_new_pages():
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    usual, kept = map(int, done.stdout.split())
    assert usual > 1000 > 100 > kept
