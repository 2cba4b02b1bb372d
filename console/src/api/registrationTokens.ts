/** Requests about registration tokens. */

import type { Result, Send } from "./client";
import { asFields, line, lines, moment, number, text } from "./fields";
import { parsePage } from "./guards";
import { pathWith, PAGE_SIZE } from "./paths";
import type {
  DevicesChoice,
  MintedToken,
  NewRegistrationToken,
  Page,
  RegistrationToken,
  Revocation,
} from "./types";

export interface RegistrationTokenRequests {
  list(tenantId: string, cursor: string | null, signal: AbortSignal): Promise<Result<Page<RegistrationToken>>>;
  show(id: string, signal: AbortSignal): Promise<Result<RegistrationToken>>;
  /** The same key with the same body, and no second token is made. */
  create(body: NewRegistrationToken, idempotencyKey: string, signal: AbortSignal): Promise<Result<MintedToken>>;
  rotate(id: string, signal: AbortSignal): Promise<Result<MintedToken>>;
  revoke(id: string, devices: DevicesChoice, dryRun: boolean, signal: AbortSignal): Promise<Result<Revocation>>;
}

const PATH = "/api/v1/registration-tokens";

// The secret is shown inside of command lines that people paste into a shell: letters and digits cannot do harm there.
const SECRET = /^dwr_[0-9A-Za-z]{71}$/;

export function registrationTokenRequests(send: Send): RegistrationTokenRequests {
  const one = (id: string, action = ""): string => `${PATH}/${encodeURIComponent(id)}${action}`;
  return {
    list: (tenant_id, cursor, signal) => {
      const path = pathWith(PATH, { tenant_id, cursor, limit: PAGE_SIZE });
      return send({ method: "GET", path, parse: parsePage(parseRegistrationToken) }, signal);
    },
    show: (id, signal) => send({ method: "GET", path: one(id), parse: parseRegistrationToken }, signal),
    create: (body, idempotencyKey, signal) =>
      send({ method: "POST", path: PATH, body, idempotencyKey, parse: parseMintedToken }, signal),
    rotate: (id, signal) => send({ method: "POST", path: one(id, "/rotate"), parse: parseMintedToken }, signal),
    revoke: (id, devices, dry_run, signal) =>
      send({ method: "POST", path: one(id, "/revoke"), body: { devices, dry_run }, parse: parseRevocation }, signal),
  };
}

export function parseRegistrationToken(json: unknown): RegistrationToken | null {
  const fields = asFields(json);
  if (fields === null) return null;
  const id = text(fields["id"]);
  const owner_id = text(fields["owner_id"]);
  const label = line(fields["label"]);
  const state = line(fields["state"]);
  const uses = number(fields["uses"]);
  const created_at = moment(fields["created_at"]);
  if (id === null || owner_id === null || label === null) return null;
  if (state === null || uses === null || created_at === null) return null;
  return {
    id,
    owner_id,
    label,
    description: line(fields["description"]),
    state,
    uses,
    max_uses: number(fields["max_uses"]),
    expires_at: moment(fields["expires_at"]),
    last_used_at: moment(fields["last_used_at"]),
    created_at,
    taints: lines(fields["taints"]) ?? [],
    pre_approved: fields["pre_approved"] === true,
    ephemeral_s: number(fields["ephemeral_s"]),
  };
}

function parseMintedToken(json: unknown): MintedToken | null {
  const registrationToken = parseRegistrationToken(json);
  const secret = text(asFields(json)?.["token"]);
  if (registrationToken === null || secret === null || !SECRET.test(secret)) return null;
  return { registrationToken, secret };
}

function parseRevocation(json: unknown): Revocation | null {
  const fields = asFields(json);
  const state = line(fields?.["state"]);
  const count = number(asFields(fields?.["devices"])?.["count"]);
  return state === null || count === null ? null : { state, devices: { count } };
}
