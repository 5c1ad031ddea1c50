"""Small packages to start from: a defense, an attack, a data set or an experiment that works."""
