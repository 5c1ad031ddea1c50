"""The referee's contracts: encoder, defense, attack, and the rules of the run."""
