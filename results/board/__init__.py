"""Which records may be compared, and what a board says of them."""
