/** Requests about devices. */

import type { Result, Send } from "./client";
import { asFields, line, lines, moment, text } from "./fields";
import { parsePage } from "./guards";
import { PAGE_SIZE, pathWith } from "./paths";
import type { Device, Evidence, Page } from "./types";

export type DeviceAction = "approve" | "suspend" | "resume" | "revoke";

export interface DeviceFilter {
  readonly tenantId: string;
  readonly state: string | null;
  readonly registrationTokenId: string | null;
}

export interface DeviceRequests {
  /** The newest first. */
  list(filter: DeviceFilter, cursor: string | null, signal: AbortSignal): Promise<Result<Page<Device>>>;
  /** Its `etag` is what `rename` asks for. */
  show(id: string, signal: AbortSignal): Promise<Result<Device>>;
  act(id: string, action: DeviceAction, signal: AbortSignal): Promise<Result<Device>>;
  /** Refused (412) if the device is not as `etag` says any more. */
  rename(id: string, name: string, etag: string | null, signal: AbortSignal): Promise<Result<Device>>;
}

const PATH = "/api/v1/devices";

export function deviceRequests(send: Send): DeviceRequests {
  const one = (id: string): string => `${PATH}/${encodeURIComponent(id)}`;
  return {
    list: ({ tenantId, state, registrationTokenId }, cursor, signal) => {
      const query = { tenant_id: tenantId, state, registration_token_id: registrationTokenId, cursor };
      const path = pathWith(PATH, { ...query, sort: "-registered_at", limit: PAGE_SIZE });
      return send({ method: "GET", path, parse: parsePage(parseDevice) }, signal);
    },
    show: (id, signal) => send({ method: "GET", path: one(id), parse: parseDevice }, signal),
    act: (id, action, signal) => send({ method: "POST", path: `${one(id)}/${action}`, parse: parseDevice }, signal),
    rename: (id, name, ifMatch, signal) =>
      send({ method: "PATCH", path: one(id), body: { name }, ifMatch, parse: parseDevice }, signal),
  };
}

export function parseDevice(json: unknown): Device | null {
  const fields = asFields(json);
  if (fields === null) return null;
  const id = text(fields["id"]);
  const owner_id = text(fields["owner_id"]);
  const name = line(fields["name"]);
  const state = line(fields["state"]);
  const registered_at = moment(fields["registered_at"]);
  if (id === null || owner_id === null || name === null || state === null || registered_at === null) return null;
  return {
    id,
    owner_id,
    registration_token_id: text(fields["registration_token_id"]),
    name,
    state,
    state_reason: line(fields["state_reason"]),
    public_key: line(fields["public_key"]),
    fingerprint: line(fields["fingerprint"]),
    ipv4: line(fields["ipv4"]),
    ipv6: line(fields["ipv6"]),
    taints: lines(fields["taints"]) ?? [],
    evidence: evidenceOf(fields["evidence"]),
    registered_at,
    last_seen_at: moment(fields["last_seen_at"]),
  };
}

/** Whoever approves should see all of it, whatever a newer server puts there. */
function evidenceOf(json: unknown): readonly Evidence[] {
  return Object.entries(asFields(json) ?? {}).flatMap(([key, value]) => {
    const shown = line(typeof value === "string" ? value : JSON.stringify(value));
    return shown === null || value === null ? [] : [{ name: line(key.replaceAll("_", " ")) ?? key, value: shown }];
  });
}
