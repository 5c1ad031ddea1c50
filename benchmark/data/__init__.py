"""Data sets: records, the Market-1501 layout, the embedded SynthPed domains, and their care."""
