"""Options of k-reciprocal re-ranking."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Reranking(BaseModel):
    """How rankings are re-ranked (Zhong et al., CVPR 2017); boards never mix two ways."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    k1: int = Field(default=20, ge=1, le=1000)
    """Nearest images among which reciprocal ones are looked for."""
    k2: int = Field(default=6, ge=1, le=1000)
    """Images, the own one included, whose encodings are averaged."""
    original_weight: float = Field(default=0.3, ge=0, le=1)
    """The paper's lambda: weight of the original distance beside the Jaccard distance."""
