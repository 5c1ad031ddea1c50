"""Experiment ``bias-audit``: how unevenly identities fare."""
