"""Experiment ``ablation``: the modules of a defense one by one."""
