"""Experiment ``embedding-map``: where attacks move embeddings."""
