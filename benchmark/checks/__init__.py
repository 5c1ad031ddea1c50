"""Sanity checks: signs that a robustness number cannot be trusted."""
