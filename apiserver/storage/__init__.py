"""Where everything is kept.

`contracts`, with `tenant_contracts`, is what the rest of the server may rely on; nothing outside imports
more, `apiserver.app` apart.
`sql` is the storage, `users` and the like its statements, `tables` what they speak of, `migrate` and
`migrations/` how the tables come to be, `watch` whether it answers. `sqlite` and `postgresql` are the
engines, `sqlite_threads` and `sqlite_log` the threads of the one.
`location` and `postgres_url` say where it is, `hold` who has it open; `backup` and `postgres_backup` copy it.
"""
