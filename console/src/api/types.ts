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

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

/** One of `GET /api/v1/tenants/{tenant_id}/members` */
export interface Member {
  readonly user_id: string;
  readonly name: string | null;
  readonly email: string | null;
}

/** Any state will do: a newer server may know more of them. */
export interface RegistrationToken {
  readonly id: string;
  readonly owner_id: string;
  readonly label: string;
  readonly description: string | null;
  readonly state: string;
  readonly uses: number;
  /** `null`: reusable. */
  readonly max_uses: number | null;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
  readonly created_at: string;
  readonly taints: readonly string[];
  readonly pre_approved: boolean;
  /** Its devices leave after that long a silence. */
  readonly ephemeral_s: number | null;
}

export interface NewRegistrationToken {
  readonly tenant_id: string;
  readonly label: string;
  readonly max_uses?: number;
  readonly expires_at?: string;
  readonly taints?: readonly string[];
  readonly pre_approved?: boolean;
  readonly ephemeral_s?: number;
}

/** The only answers that hold a secret: it is kept nowhere but in the dialog that shows it. */
export interface MintedToken {
  readonly registrationToken: RegistrationToken;
  readonly secret: string;
}

/** What a revocation does to the devices that a registration token enrolled. */
export type DevicesChoice = "keep" | "suspend" | "revoke";

export interface Revocation {
  readonly state: string;
  readonly devices: { readonly count: number };
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
