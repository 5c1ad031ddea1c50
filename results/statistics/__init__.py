"""How far numbers may be trusted."""
