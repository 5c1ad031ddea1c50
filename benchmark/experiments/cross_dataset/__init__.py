"""Experiment ``cross-dataset``: train on one data set, attack on another."""
