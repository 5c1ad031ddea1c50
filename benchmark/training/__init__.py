"""The training loop that the harness owns, so that defenses differ only in their loss."""
