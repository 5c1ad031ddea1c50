"""The static site: boards with their rows, attacks and downloads, in a folder of its own."""
