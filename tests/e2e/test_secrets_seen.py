"""The test of the logs is worth something: it would find a secret."""

from tests.e2e.secrets_seen import SecretsSeen


def test_a_secret_in_a_log_would_be_found() -> None:
    secrets = SecretsSeen()
    secrets.add_url("http://localhost/login/end?code=the-code&state=the-state&error=no-secret")
    secrets.add_url("http://localhost/logout/the-ticket")
    secrets.add_set_cookie("doorward_session=the-cookie; Path=/; HttpOnly")
    secrets.add_set_cookie('doorward_login_1f=""; Max-Age=0')
    logs = {
        "a": "GET /login/end?error=no-secret 302",
        "b": "code=the-code",
        "c": "x the-cookie, /logout/the-ticket",
        "d": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
    }

    assert secrets.kinds == {"code", "state", "logout ticket", "session cookie"}
    assert set(secrets.leaks(logs)) == {"code in b", "logout ticket in c", "session cookie in c", "JWT in d"}
