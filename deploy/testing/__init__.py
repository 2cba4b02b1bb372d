"""What `make test` stands on.

The scripts beside this file find Python and Node.js and install into the checkout (see the Makefile).
`parts` looks at what the machine has, `debian` installs what is missing where that is allowed, `left_out`
keeps pytest honest about tests that cannot run, `hangs` ends a run that does not get on, `suites` and
`__main__` run all and add up. The tests live in `tests/` and `console/tests/`.
"""
