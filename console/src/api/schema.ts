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
  | "bad_redirect"
  | "bad_request"
  | "cross_site_request"
  | "forbidden"
  | "internal_error"
  | "invalid_token"
  | "login_failed"
  | "method_not_allowed"
  | "missing_token"
  | "not_found"
  | "not_signed_in"
  | "provider_unavailable"
  | "request_too_large"
  | "store_unavailable"
  | "upgrade_not_supported"
  | "upstream_timeout"
  | "upstream_unavailable";

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
