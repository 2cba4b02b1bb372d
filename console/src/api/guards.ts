/** JSON from outside becomes a typed object here, or `null` when it is not what was promised. */

import type { LogoutAnswer, Me, Problem, SessionStatus, Tenant, User } from "./types";

type Fields = Readonly<Record<string, unknown>>;

export function parseSessionStatus(json: unknown): SessionStatus | null {
  const fields = asFields(json);
  if (fields === null || typeof fields["logged_in"] !== "boolean") return null;
  return {
    logged_in: fields["logged_in"],
    expires_in: seconds(fields["expires_in"]),
    idle_expires_in: seconds(fields["idle_expires_in"]),
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
  if (fields === null || !Array.isArray(fields["tenants"])) return null;
  const tenants = fields["tenants"].map(parseTenant);
  if (!tenants.every((tenant) => tenant !== null)) return null;
  return { tenants };
}

export function parseLogoutAnswer(json: unknown): LogoutAnswer | null {
  const logout_url = text(asFields(json)?.["logout_url"]);
  return logout_url === null ? null : { logout_url };
}

/** Any JSON will do: a refusal is a refusal, whatever stands in it. */
export function parseProblem(json: unknown): Problem {
  const fields = asFields(json);
  return { title: text(fields?.["title"]), request_id: text(fields?.["request_id"]) };
}

function parseTenant(json: unknown): Tenant | null {
  const fields = asFields(json);
  const id = text(fields?.["id"]);
  const name = text(fields?.["name"]);
  const kind = text(fields?.["kind"]);
  const role = text(fields?.["role"]);
  if (id === null || name === null || kind === null || role === null) return null;
  return { id, name, kind, role };
}

function asFields(json: unknown): Fields | null {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as Fields) : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function seconds(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
