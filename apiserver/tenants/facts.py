"""What the audit tells of tenants, members and invitations: their public fields."""

from apiserver.audit.trail import Facts
from apiserver.tenants.invitation import Invitation
from apiserver.tenants.tenants import Tenant


def facts_of_tenant(tenant: Tenant) -> Facts:
    return {
        "name": tenant.name,
        "kind": tenant.kind.value,
        "device_approval": tenant.device_approval.value,
        "is_personal": tenant.personal_of is not None,
    }


def facts_of_invitation(invitation: Invitation) -> Facts:
    return {"role": invitation.role.value, "expires_at": invitation.expires_at}
