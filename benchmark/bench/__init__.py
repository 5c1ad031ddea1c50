"""Speed and memory of what the benchmark spends its time on: ``python -m benchmark.bench``."""
