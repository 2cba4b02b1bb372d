"""The configurations of deploy/ for Caddy, Envoy, nginx and Traefik, each run by the real binary.

`ground` is what stands behind a proxy, `edges` starts one by its file, `callers` are who comes to it. What
holds for all four is in `promises` and `promises_of_wiring`; a file for each says what is different there.
"""
