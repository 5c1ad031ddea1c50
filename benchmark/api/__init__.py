"""The Python interface: evaluate an encoder, attack images, run defenses, load what was made."""
