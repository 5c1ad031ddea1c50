"""The robustness report of one encoder: what a record says, for those who must rely on it."""
