"""What was measured: the schema of a record, and records on disk."""
