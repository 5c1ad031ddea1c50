"""Experiment ``tune``: hyperparameter search on held-out training identities."""
