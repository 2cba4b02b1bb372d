// Made by `npm run types` from docs/openapi.json: change that instead.

/** A refusal (RFC 9457). `code` is stable; `detail` is for people. */
export type Problem = {
  readonly "type": string;
  readonly "title": string;
  readonly "status": number;
  readonly "detail": string;
  readonly "code": ProblemCode;
  readonly "request_id": string;
};

export type ProblemCode =
  | "already_member"
  | "bad_redirect"
  | "bad_request"
  | "cross_site_request"
  | "device_expired"
  | "device_not_approved"
  | "device_revoked"
  | "device_suspended"
  | "forbidden"
  | "headers_too_large"
  | "idempotency_key_reused"
  | "insufficient_scope"
  | "internal_error"
  | "invalid_body"
  | "invalid_token"
  | "invitation_not_usable"
  | "key_in_use"
  | "last_owner"
  | "login_failed"
  | "method_not_allowed"
  | "missing_token"
  | "name_not_allowed"
  | "name_taken"
  | "no_address_left"
  | "not_found"
  | "not_signed_in"
  | "precondition_failed"
  | "private_key_sent"
  | "provider_unavailable"
  | "public_key_invalid"
  | "refresh_not_possible"
  | "registration_token_expired"
  | "registration_token_not_yet_valid"
  | "registration_token_revoked"
  | "registration_token_suspended"
  | "registration_token_used_up"
  | "request_timeout"
  | "request_too_large"
  | "secret_already_used"
  | "service_token_expired"
  | "service_token_revoked"
  | "source_not_allowed"
  | "step_up_required"
  | "store_unavailable"
  | "tenant_in_use"
  | "too_many_requests"
  | "unsupported_media_type"
  | "upgrade_not_supported"
  | "upstream_timeout"
  | "upstream_unavailable"
  | "would_widen"
  | "wrong_state";

/** A refusal (RFC 6749 section 5.2). `error_description` is for people. */
export type OAuthErrorBody = {
  readonly "error": string;
  readonly "error_description": string;
};

/** The signed-in user. `name` and `email` are what the provider told; null when it told nothing. */
export type Me = {
  readonly "id": string;
  readonly "issuer": string;
  readonly "subject": string;
  readonly "name": string | null;
  readonly "email": string | null;
  readonly "created_at": string;
  readonly "personal_tenant_id": string;
  readonly "tenants": ReadonlyArray<MyTenant>;
};

/** A tenant that the caller is in, and the caller's role there. */
export type MyTenant = {
  readonly "id": string;
  readonly "name": string;
  readonly "kind": TenantKind;
  readonly "role": Role;
};

/** `private`: members only. `community`: any signed-in user may join. */
export type TenantKind = "community" | "private";

/** What a member may do; each one may do what the former ones may. */
export type Role = "admin" | "member" | "owner" | "viewer";

/** `next_cursor` is null on the last page. */
export type TenantList = {
  readonly "items": ReadonlyArray<TenantAnswer>;
  readonly "next_cursor": string | null;
};

/** A tenant, and the caller's `role` in it. A personal one is of its user alone. */
export type TenantAnswer = {
  readonly "id": string;
  readonly "name": string;
  readonly "kind": TenantKind;
  readonly "is_personal": boolean;
  readonly "device_approval": DeviceApproval;
  readonly "role": Role;
  readonly "created_at": string;
};

/** Whether a device that joins may act at once, or waits until somebody approved it. */
export type DeviceApproval = "automatic" | "required";

/** With `device_approval` `required`, devices wait until an administrator approves them. */
export type NewTenant = {
  readonly "name": string;
  readonly "kind"?: TenantKind;
  readonly "device_approval"?: DeviceApproval;
};

/** What stays away stays as it is. */
export type ChangedTenant = {
  readonly "name"?: string;
  readonly "kind"?: TenantKind;
  readonly "device_approval"?: DeviceApproval;
};

/** In the order of the user ids. `next_cursor` is null on the last page. */
export type MemberList = {
  readonly "items": ReadonlyArray<MemberAnswer>;
  readonly "next_cursor": string | null;
};

/** A member of a tenant. `name` and `email` are what the provider told of the user. */
export type MemberAnswer = {
  readonly "user_id": string;
  readonly "name": string | null;
  readonly "email": string | null;
  readonly "role": Role;
  readonly "joined_at": string;
};

export type ChangedMember = {
  readonly "role": Role;
};

/** `next_cursor` is null on the last page. */
export type InvitationList = {
  readonly "items": ReadonlyArray<InvitationAnswer>;
  readonly "next_cursor": string | null;
};

export type InvitationAnswer = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "role": Role;
  readonly "state": InvitationState;
  readonly "created_by": string;
  readonly "created_at": string;
  readonly "expires_at": string;
  readonly "accepted_by": string | null;
  readonly "accepted_at": string | null;
  readonly "revoked_at": string | null;
};

/** `open` is the only one in which it can be accepted. */
export type InvitationState = "accepted" | "expired" | "open" | "revoked";

/** The invitation, with its `token`: shown once, for the one who is invited. */
export type CreatedInvitation = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "role": Role;
  readonly "created_by": string;
  readonly "created_at": string;
  readonly "expires_at": string;
  readonly "token": string;
};

/** Without `expires_at` it holds for 7 days; 30 are the most. */
export type NewInvitation = {
  readonly "role": Role;
  readonly "expires_at"?: string | null;
};

export type BroughtInvitation = {
  readonly "token": string;
};

/** The device, with its token: sealed where a public key was sent, else in clear, once. */
export type RegisteredDevice = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "name": string;
  readonly "state": DeviceState;
  readonly "ipv4": string | null;
  readonly "ipv6": string | null;
  readonly "taints": ReadonlyArray<string>;
  readonly "labels": Readonly<Record<string, string>>;
  readonly "device_token_id": string;
  readonly "device_token"?: string;
  readonly "sealed_device_token"?: string;
};

/** `quarantined`: came with the fingerprint of another device. `expired`: gone, may join again. */
export type DeviceState = "active" | "expired" | "pending" | "quarantined" | "revoked" | "suspended";

/** A machine that registers. Its device token comes back sealed to `public_key` (WireGuard's, base64). */
export type NewDevice = {
  readonly "name": string;
  readonly "public_key"?: string | null;
  readonly "fingerprint"?: string | null;
  readonly "labels"?: Readonly<Record<string, string>>;
  readonly "tenant_id"?: string | null;
};

/** `next_cursor` is null on the last page. */
export type DeviceList = {
  readonly "items": ReadonlyArray<DeviceAnswer>;
  readonly "next_cursor": string | null;
};

/** A device. `evidence` says why it is quarantined; `ended_at` since when it is revoked or expired. */
export type DeviceAnswer = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "name": string;
  readonly "state": DeviceState;
  readonly "state_reason": string | null;
  readonly "owner_id": string;
  readonly "registration_token_id": string | null;
  readonly "public_key": string | null;
  readonly "fingerprint": string | null;
  readonly "ipv4": string | null;
  readonly "ipv6": string | null;
  readonly "taints": ReadonlyArray<string>;
  readonly "labels": Readonly<Record<string, string>>;
  readonly "ephemeral_s": number | null;
  readonly "evidence": Readonly<Record<string, string>> | null;
  readonly "registered_at": string;
  readonly "approved_at": string | null;
  readonly "expires_at": string | null;
  readonly "last_seen_at": string | null;
  readonly "ended_at": string | null;
};

/** What a device is told of itself. */
export type MyDevice = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "name": string;
  readonly "state": DeviceState;
  readonly "public_key": string | null;
  readonly "ipv4": string | null;
  readonly "ipv6": string | null;
  readonly "taints": ReadonlyArray<string>;
  readonly "labels": Readonly<Record<string, string>>;
  readonly "registered_at": string;
};

/** A new device token, shown once: sealed to the device's public key where it has one. */
export type DeviceTokenAnswer = {
  readonly "id": string;
  readonly "device_token_id": string;
  readonly "device_token"?: string;
  readonly "sealed_device_token"?: string;
};

/** What stays away stays as it is. Taints are for administrators. */
export type ChangedDevice = {
  readonly "name"?: string;
  readonly "labels"?: Readonly<Record<string, string>>;
  readonly "taints"?: ReadonlyArray<string>;
};

/** `token` is the secret, for whoever registers devices. It is shown this once. */
export type RegistrationTokenWithSecret = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "owner_id": string;
  readonly "label": string;
  readonly "description": string;
  readonly "state": TokenState;
  readonly "uses": number;
  readonly "max_uses": number | null;
  readonly "expires_at": string | null;
  readonly "not_before": string | null;
  readonly "idle_s": number | null;
  readonly "last_used_at": string | null;
  readonly "taints": ReadonlyArray<string>;
  readonly "labels": Readonly<Record<string, string>>;
  readonly "name_pattern": string | null;
  readonly "source_networks": ReadonlyArray<string>;
  readonly "pre_approved": boolean;
  readonly "ephemeral_s": number | null;
  readonly "rate_per_minute": number | null;
  readonly "suspended_at": string | null;
  readonly "revoked_at": string | null;
  readonly "created_at": string;
  readonly "token": string;
};

/** `active` is the only one in which a new device may join. */
export type TokenState = "active" | "expired" | "not_yet_valid" | "revoked" | "suspended" | "used_up";

/** A token to be made. Without `max_uses` it is reusable, without `expires_at` it never expires.

    `idle_s`: unused for so long, it has expired. `ephemeral_s`: its devices leave after so long a silence.
    Only who may approve devices may pre-approve them, or force taints on them. */
export type NewRegistrationToken = {
  readonly "label": string;
  readonly "description"?: string;
  readonly "tenant_id"?: string | null;
  readonly "max_uses"?: number | null;
  readonly "expires_at"?: string | null;
  readonly "not_before"?: string | null;
  readonly "idle_s"?: number | null;
  readonly "taints"?: ReadonlyArray<string>;
  readonly "labels"?: Readonly<Record<string, string>>;
  readonly "name_pattern"?: string | null;
  readonly "source_networks"?: ReadonlyArray<string>;
  readonly "pre_approved"?: boolean;
  readonly "ephemeral_s"?: number | null;
  readonly "rate_per_minute"?: number | null;
};

/** `next_cursor` is null on the last page. */
export type RegistrationTokenList = {
  readonly "items": ReadonlyArray<RegistrationTokenAnswer>;
  readonly "next_cursor": string | null;
};

/** A registration token. Its secret is shown once, when it is made or rotated. */
export type RegistrationTokenAnswer = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "owner_id": string;
  readonly "label": string;
  readonly "description": string;
  readonly "state": TokenState;
  readonly "uses": number;
  readonly "max_uses": number | null;
  readonly "expires_at": string | null;
  readonly "not_before": string | null;
  readonly "idle_s": number | null;
  readonly "last_used_at": string | null;
  readonly "taints": ReadonlyArray<string>;
  readonly "labels": Readonly<Record<string, string>>;
  readonly "name_pattern": string | null;
  readonly "source_networks": ReadonlyArray<string>;
  readonly "pre_approved": boolean;
  readonly "ephemeral_s": number | null;
  readonly "rate_per_minute": number | null;
  readonly "suspended_at": string | null;
  readonly "revoked_at": string | null;
  readonly "created_at": string;
};

/** What stays away stays as it is. What the token may do can only become less. */
export type ChangedRegistrationToken = {
  readonly "label"?: string;
  readonly "description"?: string;
  readonly "expires_at"?: string | null;
  readonly "max_uses"?: number | null;
  readonly "pre_approved"?: boolean;
};

/** What was done, or after a dry run what would be. Devices that have ended already are not counted. */
export type RevokedRegistrationToken = {
  readonly "id": string;
  readonly "state": TokenState;
  readonly "dry_run": boolean;
  readonly "devices": ChosenDevices;
};

/** How many devices the choice is for: that are kept as they are, suspended or revoked by it. */
export type ChosenDevices = {
  readonly "choice": DeviceChoice;
  readonly "count": number;
};

/** What becomes of the devices of a token that is revoked. */
export type DeviceChoice = "keep" | "revoke" | "suspend";

/** `devices`: what becomes of those that joined with it. `dry_run`: only tell what would be done. */
export type RevokeRegistrationToken = {
  readonly "devices": DeviceChoice;
  readonly "dry_run"?: boolean;
};

/** `token` is the secret, for the service. It is shown this once. */
export type ServiceTokenWithSecret = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "owner_id": string;
  readonly "label": string;
  readonly "scopes": ReadonlyArray<Scope>;
  readonly "created_at": string;
  readonly "expires_at": string;
  readonly "last_used_at": string | null;
  readonly "state": ServiceTokenState;
  readonly "token": string;
};

export type Scope =
  | "audit:read"
  | "devices:read"
  | "devices:write"
  | "tenants:admin"
  | "tokens:introspect"
  | "tokens:read"
  | "tokens:write";

export type ServiceTokenState = "active" | "expired" | "revoked";

/** A token that acts for its maker. Without `expires_at` it holds for 90 days; 366 are the most. */
export type NewServiceToken = {
  readonly "label": string;
  readonly "scopes": ReadonlyArray<Scope>;
  readonly "tenant_id"?: string | null;
  readonly "expires_at"?: string | null;
};

/** `next_cursor` is null on the last page. */
export type ServiceTokenList = {
  readonly "items": ReadonlyArray<ServiceTokenAnswer>;
  readonly "next_cursor": string | null;
};

/** A service token, which acts for `owner_id`. Its secret is shown once, when it is made. */
export type ServiceTokenAnswer = {
  readonly "id": string;
  readonly "tenant_id": string;
  readonly "owner_id": string;
  readonly "label": string;
  readonly "scopes": ReadonlyArray<Scope>;
  readonly "created_at": string;
  readonly "expires_at": string;
  readonly "last_used_at": string | null;
  readonly "state": ServiceTokenState;
};

/** The newest first. `next_cursor` is null on the last page. */
export type AuditEventList = {
  readonly "items": ReadonlyArray<AuditEventAnswer>;
  readonly "next_cursor": string | null;
};

/** Who did what to what. `mac` (hex) covers all the rest and the `mac` of the event before it. */
export type AuditEventAnswer = {
  readonly "tenant_id": string;
  readonly "seq": number;
  readonly "id": string;
  readonly "at": string;
  readonly "actor_kind": string;
  readonly "actor_id": string;
  readonly "action": string;
  readonly "target_kind": string;
  readonly "target_id": string;
  readonly "address": string | null;
  readonly "request_id": string | null;
  readonly "before": Readonly<Record<string, unknown>> | null;
  readonly "after": Readonly<Record<string, unknown>> | null;
  readonly "key_id": string;
  readonly "mac": string;
};

/** Whether the chain is what was written. `events`: how many were looked at, up to `head`, the last one.

    Of the `faults`, the first hundred. */
export type AuditVerdict = {
  readonly "is_intact": boolean;
  readonly "events": number;
  readonly "head": AuditCheckpoint | null;
  readonly "faults": ReadonlyArray<AuditFault>;
};

/** The `mac` (hex) that the event `seq` had when the server logged it, or has now. */
export type AuditCheckpoint = {
  readonly "seq": number;
  readonly "mac": string;
};

/** What is wrong at this place of the chain. */
export type AuditFault = {
  readonly "seq": number;
  readonly "kind": FaultKind;
};

/** What is wrong, at the `seq` that the fault names.

    `edited`: the event is not what was written, or its MAC is not. `missing`: there is none, and later ones
    are there; that which follows could not be checked. `out_of_order`: it stands behind a later one, or
    twice. `cut`: there is none, and it was the last known. `unknown_key`: no key here has the event's key id.
    `wrong_head`: the head row names another last event. `wrong_checkpoint`: the log knew another MAC. */
export type FaultKind = "cut" | "edited" | "missing" | "out_of_order" | "unknown_key" | "wrong_checkpoint" | "wrong_head";

/** What the chain is compared with, beside itself: checkpoints of the servers' logs. */
export type AuditVerification = {
  readonly "tenant_id"?: string | null;
  readonly "checkpoints"?: ReadonlyArray<AuditCheckpoint>;
};

/** RFC 8693 section 2.2.1. `scope` where the JWT was narrowed. */
export type ExchangeAnswer = {
  readonly "access_token": string;
  readonly "issued_token_type": string;
  readonly "token_type": string;
  readonly "expires_in": number;
  readonly "scope"?: string | null;
};

/** RFC 8693 section 2.1. What is not named here is passed over, as OAuth asks. */
export type ExchangeForm = {
  readonly "grant_type": string;
  readonly "subject_token": string;
  readonly "subject_token_type": string;
  readonly "requested_token_type"?: string;
  readonly "audience"?: string | null;
  readonly "scope"?: string | null;
  readonly "resource"?: string | null;
  readonly "actor_token"?: string | null;
  readonly "actor_token_type"?: string | null;
};

/** RFC 7662 section 2.2. All but `active` stands there only where the token is active.

    `iss`, `aud`, `iat` and `jti` are those of a JWT. */
export type IntrospectAnswer = {
  readonly "active": boolean;
  readonly "token_type"?: string | null;
  readonly "kind"?: string | null;
  readonly "sub"?: string | null;
  readonly "owner"?: string | null;
  readonly "user"?: string | null;
  readonly "tenant"?: string | null;
  readonly "taints"?: ReadonlyArray<string> | null;
  readonly "credential"?: string | null;
  readonly "scope"?: string | null;
  readonly "exp"?: number | null;
  readonly "iss"?: string | null;
  readonly "aud"?: string | null;
  readonly "iat"?: number | null;
  readonly "jti"?: string | null;
};

/** RFC 7662 section 2.1. A hint is not needed: tokens tell what they are. */
export type IntrospectForm = {
  readonly "token": string;
  readonly "token_type_hint"?: string | null;
};

export type JsonWebKeySet = {
  readonly "keys": ReadonlyArray<JsonWebKey>;
};

export type JsonWebKey = {
  readonly "kty": string;
  readonly "crv": string;
  readonly "x": string;
  readonly "y": string;
  readonly "kid": string;
  readonly "use": string;
  readonly "alg": string;
};
