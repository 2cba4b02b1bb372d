"""Small real things that stand in for the outside world, with switches for what can go wrong."""
