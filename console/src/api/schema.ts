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
  | "device_pending"
  | "device_quarantined"
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
