"""The apiserver's figures: `python -m bench.api`.

`seed` fills a database, `load` asks, `run` does both for each size and engine, `report` writes the page.
"""
