"""The proxied request: path, headers, streaming.

This is the simple form over aiohttp; its successor keeps the borders: `paths` and `headers` are pure,
`forward` is the only file that talks to an upstream.
"""
