/** JSON from outside becomes a typed object here, or `null` when it is not what was promised. */

import { asFields, line, listOf, number, text } from "./fields";
import type { LogoutAnswer, Me, Member, Page, Problem, SessionStatus, Tenant, User } from "./types";

export function parseSessionStatus(json: unknown): SessionStatus | null {
  const fields = asFields(json);
  if (fields === null || typeof fields["logged_in"] !== "boolean") return null;
  return {
    logged_in: fields["logged_in"],
    expires_in: number(fields["expires_in"]),
    idle_expires_in: number(fields["idle_expires_in"]),
  };
}

export function parseUser(json: unknown): User | null {
  const fields = asFields(json);
  const sub = text(fields?.["sub"]);
  if (fields === null || sub === null) return null;
  return {
    sub,
    name: text(fields["name"]),
    email: text(fields["email"]),
    preferred_username: text(fields["preferred_username"]),
  };
}

export function parseMe(json: unknown): Me | null {
  const fields = asFields(json);
  const id = text(fields?.["id"]);
  const personal_tenant_id = text(fields?.["personal_tenant_id"]);
  const tenants = listOf(fields?.["tenants"], parseTenant);
  if (id === null || personal_tenant_id === null || tenants === null) return null;
  return { id, personal_tenant_id, tenants };
}

export function parseLogoutAnswer(json: unknown): LogoutAnswer | null {
  const logout_url = text(asFields(json)?.["logout_url"]);
  return logout_url === null ? null : { logout_url };
}

/** Any JSON will do: a refusal is a refusal, whatever stands in it. */
export function parseProblem(json: unknown): Problem {
  const fields = asFields(json);
  return {
    title: line(fields?.["title"]),
    detail: line(fields?.["detail"]),
    request_id: line(fields?.["request_id"]),
  };
}

/** One page of a list. */
export function parsePage<Item>(parseItem: (json: unknown) => Item | null): (json: unknown) => Page<Item> | null {
  return (json) => {
    const fields = asFields(json);
    const items = listOf(fields?.["items"], parseItem);
    return items === null ? null : { items, next_cursor: text(fields?.["next_cursor"]) };
  };
}

export function parseMember(json: unknown): Member | null {
  const fields = asFields(json);
  const user_id = text(fields?.["user_id"]);
  if (user_id === null) return null;
  return { user_id, name: line(fields?.["name"]), email: line(fields?.["email"]) };
}

function parseTenant(json: unknown): Tenant | null {
  const fields = asFields(json);
  const id = text(fields?.["id"]);
  const name = line(fields?.["name"]);
  const kind = line(fields?.["kind"]);
  const role = line(fields?.["role"]);
  if (id === null || name === null || kind === null || role === null) return null;
  return { id, name, kind, role };
}
