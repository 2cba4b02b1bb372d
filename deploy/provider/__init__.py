"""The development OpenID provider: for the demo and for tests on one machine, never for a network.

Inside: configuration that must be loopback (`config`), what is granted and remembered (`vault`, `sessions`),
the OAuth rules on Authlib's framework-neutral server classes (`server`, `grants`, `device`,
`token_endpoints`), the pages (`authorize`, `device_pages`, `logout`, `pages`), and `app`, which joins them.
What the product itself does with a provider lives in `bff` and `apiserver`.
"""
