"""The record of a run: schema, store, statistics, boards, figures. Never imports torch."""
