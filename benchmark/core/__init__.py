"""The referee's contracts: what an encoder, a defense and an attack are, and the rules of the run."""
