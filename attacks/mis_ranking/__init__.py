"""Deep mis-ranking: a generator that is trained to spoil rankings (Wang et al., CVPR 2020)."""
