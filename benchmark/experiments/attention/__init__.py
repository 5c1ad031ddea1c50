"""Experiment ``attention``: which places of an image an embedding rests on."""
