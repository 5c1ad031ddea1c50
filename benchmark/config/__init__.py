"""Configuration of a run: presets, YAML files, command line options, one validated model."""
