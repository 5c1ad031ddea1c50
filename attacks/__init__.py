"""The attacker: what can be done to an image. One family a file, known by its registry name."""
