"""The load counts what it should, and the pages say what was measured. Figures themselves are no tests."""
