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
export type Me = { readonly [Field in keyof Pick<schema.Me, "tenants">]: readonly Tenant[] };

/** `POST /logout` */
export interface LogoutAnswer {
  readonly logout_url: string;
}

/** RFC 9457. Nothing in it is sure: a proxy in between answers as it likes. */
export type Problem = { readonly [Field in "title" | "request_id"]: schema.Problem[Field] | null };
