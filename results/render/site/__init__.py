"""The static site: every board with its rows, attacks and downloads, in a folder that asks nothing."""
