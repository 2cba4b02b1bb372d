"""nginx as a plain proxy: no sessions at all, the floor that everything else stands on."""

import os
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bench.peers.base import EXTRAS, Extra, Ground, Running, run_alone
from bench.processes import Program, free_port
from bench.tools import SETUP_HINT, debian_program, first_line, library_settings

# Bodies are passed on as they come, never by way of a file; the rest is what its manual advises for speed.
_CONFIG = """{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 120s;
    keepalive_requests 100000000;
    tcp_nodelay on;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    upstream service {{
        server {upstream};
        keepalive 512;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        client_max_body_size 0;
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_buffers 16 64k;
            proxy_busy_buffers_size 256k;
            client_body_buffer_size 256k;
        }}
    }}
}}
"""
_FILES = 20_000
_CONNECTIONS = 15_000


@dataclass(frozen=True)
class Nginx:
    key: str = "nginx"
    label: str = "nginx, plain proxy"
    passes_bearer: bool = False
    extras: frozenset[Extra] = frozenset(EXTRAS)

    def is_available(self) -> str | None:
        return None if debian_program("nginx") else f"no nginx on this machine ({SETUP_HINT})"

    def version(self) -> str:
        return first_line([debian_program("nginx") or "", "-v"]).replace("nginx version: nginx/", "nginx ")

    def run(self, ground: Ground) -> AbstractAsyncContextManager[Running]:
        port = free_port()
        config = ground.folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                # Started as root it would give up rights, and then not write into the folder.
                user="user root root;" if os.geteuid() == 0 else "",
                files=_FILES,
                connections=_CONNECTIONS,
                folder=ground.folder,
                upstream=ground.upstream,
                port=port,
            )
        )
        command = [debian_program("nginx") or "", "-p", ground.folder, "-e", "stderr", "-c", config]
        return run_alone(ground, Program(self.key, command, port, library_settings()))
