"""Work for a GPU by priority, as much as fits: ``results/regenerate.sh gpu MINUTES``."""
