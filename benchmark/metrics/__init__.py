"""Retrieval metrics: cosine distance, single-query ranking, worst case over attacks."""
