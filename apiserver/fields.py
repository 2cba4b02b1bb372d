"""Types of fields that bodies, queries and answers of several packages have: the OpenAPI document too."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from apiserver.devices.names import (
    FINGERPRINT_FORM,
    KEY_FORM,
    MOST_LABELS,
    MOST_TAINTS,
    NAME_FORM,
    VALUE_LENGTH,
)
from apiserver.ids import id_form
from apiserver.pages import HIGHEST_LIMIT
from apiserver.texts import DESCRIPTION_LENGTH, LABEL_LENGTH


def told(**keywords: object) -> Meta:
    """Keywords of JSON Schema for what is checked elsewhere, by the same constants, with better sentences."""
    return Meta(extra_json_schema=keywords)


def form(expression: str) -> Meta:
    """As `told`, for texts that a regular expression describes as a whole."""
    return told(pattern=f"^(?:{expression})$")


Time = Annotated[datetime, Meta(tz=True)]
Limit = Annotated[int, Meta(ge=1, le=HIGHEST_LIMIT)]

# An id of another form never was. It is refused before the database sees it, since PostgreSQL takes no NUL in
# a text. \Z, because Python takes a line break before $.
UserIdText = Annotated[str, Meta(pattern=rf"^{id_form('usr')}\Z")]
TenantIdText = Annotated[str, Meta(pattern=rf"^{id_form('ten')}\Z")]
InvitationIdText = Annotated[str, Meta(pattern=rf"^{id_form('inv')}\Z")]
RegistrationTokenIdText = Annotated[str, Meta(pattern=rf"^{id_form('rgt')}\Z")]
ServiceTokenIdText = Annotated[str, Meta(pattern=rf"^{id_form('svt')}\Z")]
DeviceIdText = Annotated[str, Meta(pattern=rf"^{id_form('dev')}\Z")]
DeviceTokenIdText = Annotated[str, Meta(pattern=rf"^{id_form('dtk')}\Z")]

Label = Annotated[str, told(minLength=1, maxLength=LABEL_LENGTH)]
Description = Annotated[str, told(maxLength=DESCRIPTION_LENGTH)]
DeviceName = Annotated[str, form(NAME_FORM)]
Fingerprint = Annotated[str, form(FINGERPRINT_FORM)]
LabelsOfDevice = Annotated[
    dict[Annotated[str, form(KEY_FORM)], Annotated[str, told(maxLength=VALUE_LENGTH)]],
    told(maxProperties=MOST_LABELS),
]
Taints = Annotated[list[Annotated[str, form(KEY_FORM)]], told(maxItems=MOST_TAINTS, uniqueItems=True)]
