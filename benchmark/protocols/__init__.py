"""Protocols: which trainings and attacks together answer one question."""
