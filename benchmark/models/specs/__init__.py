"""Encoders named by a spec such as ``torchreid:osnet_x0_25``: network, weights, preprocessing."""
