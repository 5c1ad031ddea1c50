"""SynthPed: a rendered pedestrian data set in two domains, equal to the bit on every machine.

The classes are in `benchmark.data.synthped.dataset`. Rendering processes import this package, so
it imports nothing by itself.
"""
