"""How each published figure is made. Results are figures, not tests."""
