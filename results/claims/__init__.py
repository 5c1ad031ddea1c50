"""Numbers that papers published: claimed, not measured here, never ranked with measured ones."""
