"""Claims about speed and memory, one file each; `python -m benchmarks` checks them all and prints one table."""
