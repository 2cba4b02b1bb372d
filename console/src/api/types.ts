/** What the console uses of the answers of the agent and the apiserver, as the guards let it through. */

import type * as schema from "./schema";

/** `GET /session` */
export interface SessionStatus {
  readonly logged_in: boolean;
  readonly expires_in: number | null;
  readonly idle_expires_in: number | null;
}

/** `GET /userinfo` */
export interface User {
  readonly sub: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly preferred_username: string | null;
}

/** One tenant of `GET /api/v1/users/me`. Any kind and role will do: a newer server may know more of them. */
export type Tenant = Readonly<Record<keyof schema.MyTenant, string>>;

/** `GET /api/v1/users/me` */
export type Me = Pick<schema.Me, "id" | "personal_tenant_id"> & { readonly tenants: readonly Tenant[] };

/** `POST /logout` */
export interface LogoutAnswer {
  readonly logout_url: string;
}

/** RFC 9457. Nothing in it is sure: a proxy in between answers as it likes. */
export type Problem = { readonly [Field in "title" | "detail" | "request_id"]: schema.Problem[Field] | null };

export interface Page<Item> extends Pick<schema.DeviceList, "next_cursor"> {
  readonly items: readonly Item[];
}

/** One of `GET /api/v1/tenants/{tenant_id}/members` */
export type Member = Pick<schema.MemberAnswer, "user_id" | "name" | "email">;

type RegistrationTokenFields =
  | "id"
  | "owner_id"
  | "label"
  | "uses"
  | "max_uses"
  | "expires_at"
  | "last_used_at"
  | "created_at"
  | "taints"
  | "pre_approved"
  | "ephemeral_s";

export interface RegistrationToken extends Pick<schema.RegistrationTokenAnswer, RegistrationTokenFields> {
  /** `null`: there is none. */
  readonly description: string | null;
  /** Any state will do: a newer server may know more of them. */
  readonly state: string;
}

export type NewRegistrationToken = schema.NewRegistrationToken & { readonly tenant_id: string };

/** The only answers that hold a secret: it is kept nowhere but in the dialog that shows it. */
export interface MintedToken {
  readonly registrationToken: RegistrationToken;
  readonly secret: string;
}

/** What a revocation does to the devices that a registration token enrolled. */
export type DevicesChoice = schema.DeviceChoice;

export interface Revocation {
  readonly state: string;
  readonly devices: Pick<schema.ChosenDevices, "count">;
}

type DeviceFields =
  | "id"
  | "owner_id"
  | "registration_token_id"
  | "name"
  | "state_reason"
  | "public_key"
  | "fingerprint"
  | "ipv4"
  | "ipv6"
  | "taints"
  | "registered_at"
  | "last_seen_at";

export interface Device extends Pick<schema.DeviceAnswer, DeviceFields> {
  /** Any state will do: a newer server may know more of them. */
  readonly state: string;
  /** Why it is quarantined. */
  readonly evidence: readonly Evidence[];
}

export interface Evidence {
  readonly name: string;
  readonly value: string;
}
