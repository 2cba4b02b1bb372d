"""The pages that people see: plain HTML, no script, everything that comes from outside escaped."""

from dataclasses import dataclass
from html import escape

from deploy.provider import paths

LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{style}">
</head>
<body>
<main>
<h1>{title}</h1>
{body}
<p class="note">Development provider: for this machine only.</p>
</main>
</body>
</html>
"""

LOGIN = """<p>{purpose}</p>
{fault}
<form method="post" action="{action}">
<input type="hidden" name="csrf" value="{csrf}">
<input type="hidden" name="next" value="{next_step}">
<label>User name
<input name="username" value="{username}" autocomplete="username" autocapitalize="none" spellcheck="false"
 required{focus_username}></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required{focus_password}></label>
<button type="submit">Sign in</button>
<button class="second" type="submit" name="decision" value="cancel" formnovalidate>Cancel</button>
</form>"""

USER_CODE = """<p>Enter the code that your device or terminal shows.</p>
{fault}
<form method="get" action="{action}">
<label>Code
<input name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false"
 placeholder="XXXX-XXXX" required autofocus></label>
<button type="submit">Continue</button>
</form>"""

CONFIRM_DEVICE = """<p><strong>{client_id}</strong> wants to sign in as <strong>{username}</strong>.
Allow it only if you started this yourself and it shows this code:</p>
<p class="code">{user_code}</p>
<form method="post" action="{action}">
<input type="hidden" name="csrf" value="{csrf}">
<input type="hidden" name="user_code" value="{user_code}">
<button type="submit" name="decision" value="allow">Allow</button>
<button class="second" type="submit" name="decision" value="deny">Deny</button>
</form>"""

CONFIRM_SIGN_OUT = """<p>You are signed in as <strong>{username}</strong>.
To stay signed in, close this page.</p>
<form method="post" action="{action}">
<input type="hidden" name="csrf" value="{csrf}">
{parameters}
<button type="submit">Sign out</button>
</form>"""


@dataclass(frozen=True)
class Html:
    """Text that is HTML already; everything else is escaped by `fill`."""

    text: str


def fill(template: str, **values: str | Html) -> Html:
    texts = {name: value.text if isinstance(value, Html) else escape(value) for name, value in values.items()}
    return Html(template.format(**texts))


def login_page(
    *, csrf: str, next_step: str, client_id: str | None, username: str = "", fault: str | None = None
) -> str:
    purpose = (
        fill("to continue to <strong>{client_id}</strong>", client_id=client_id)
        if client_id
        else Html("to continue with your device")
    )
    body = fill(
        LOGIN,
        purpose=purpose,
        fault=_fault(fault),
        action=paths.LOGIN,
        csrf=csrf,
        next_step=next_step,
        username=username,
        focus_username=Html("" if username else " autofocus"),
        focus_password=Html(" autofocus" if username else ""),
    )
    return _page("Sign in", body)


def user_code_page(fault: str | None = None) -> str:
    return _page("Connect a device", fill(USER_CODE, fault=_fault(fault), action=paths.DEVICE))


def confirm_device_page(*, csrf: str, user_code: str, client_id: str, username: str) -> str:
    body = fill(
        CONFIRM_DEVICE,
        csrf=csrf,
        action=paths.DEVICE,
        user_code=user_code,
        client_id=client_id,
        username=username,
    )
    return _page("Allow this device?", body)


def confirm_sign_out_page(*, csrf: str, username: str, parameters: dict[str, str]) -> str:
    hidden = [
        fill('<input type="hidden" name="{name}" value="{value}">', name=name, value=value).text
        for name, value in parameters.items()
    ]
    body = fill(
        CONFIRM_SIGN_OUT,
        csrf=csrf,
        action=paths.CONFIRM_END_SESSION,
        username=username,
        parameters=Html("\n".join(hidden)),
    )
    return _page("Sign out?", body)


def message_page(title: str, message: str) -> str:
    return _page(title, fill("<p>{message}</p>", message=message))


def _fault(sentence: str | None) -> Html:
    return fill('<p class="fault" role="alert">{sentence}</p>', sentence=sentence) if sentence else Html("")


def _page(title: str, body: Html) -> str:
    return fill(LAYOUT, title=title, style=paths.STYLE, body=body).text
