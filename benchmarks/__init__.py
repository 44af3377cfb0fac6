"""Benchmarks: each figure beside the raw database loop measured in the same run.  ``python -m benchmarks``."""
