"""The runner: a configuration becomes a plan of cells, cells become results, results a record."""
