/** The apiserver's registration tokens and devices: lists with pages and filters, and what can be done to each. */

import { aToken, at, type Thing } from "./things";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

const SECRET = `dwr_${"a".repeat(71)}`;
const AFTER: Readonly<Record<string, string>> = { approve: "active", suspend: "suspended", resume: "active", revoke: "revoked" };
const FROM: Readonly<Record<string, readonly string[]>> = {
  approve: ["pending", "quarantined"],
  suspend: ["pending", "active", "quarantined"],
  resume: ["suspended"],
  revoke: ["pending", "active", "quarantined", "suspended", "expired"],
};

export class FakeApi {
  readonly secret = SECRET;
  tokens: Thing[] = [];
  devices: Thing[] = [];
  members: readonly unknown[] = [];
  pageSize = 50;
  readonly #made = new Map<string, Thing>();

  /** `null`: there is nothing at this address. */
  answer(asked: Asked): Response | null {
    const url = new URL(asked.path, "https://door.example");
    const [, kind = "", id, action] = /^\/api\/v1\/([\w-]+)(?:\/([\w-]+))?(?:\/([\w-]+))?$/.exec(url.pathname) ?? [];
    if (kind === "tenants" && action === "members") return Response.json({ items: this.members, next_cursor: null });
    if (kind === "registration-tokens") return this.#tokens(asked, url.searchParams, id, action);
    if (kind === "devices") return this.#devices(asked, url.searchParams, id, action);
    return null;
  }

  device(name: string): Thing | undefined {
    return this.devices.find((device) => device["name"] === name);
  }

  #tokens(asked: Asked, query: URLSearchParams, id?: string, action?: string): Response | null {
    if (id === undefined) return asked.method === "POST" ? this.#create(asked) : this.#page(this.tokens, query);
    const token = this.tokens.find((one) => one.id === id);
    if (token === undefined) return null;
    if (action === undefined) return single(token);
    if (action === "rotate") return minted(token, 200);
    return this.#revokeToken(token, asked.body);
  }

  #create({ body, headers }: Asked): Response {
    const key = headers.get("Idempotency-Key") ?? "";
    const made = this.#made.get(key) ?? aToken(`rgt_${this.tokens.length + 1}`, { max_uses: null, expires_at: null, created_at: at(0), ...body });
    if (!this.#made.has(key)) this.tokens = [made, ...this.tokens];
    this.#made.set(key, made);
    return minted(made, 201);
  }

  #revokeToken(token: Thing, { devices: choice, dry_run }: Asked["body"]): Response {
    const hit = this.devices.filter(
      (device) => device["registration_token_id"] === token.id && FROM["revoke"]?.includes(device.state),
    );
    if (dry_run !== true) {
      token.state = "revoked";
      if (choice !== "keep") hit.forEach((device) => (device.state = AFTER[String(choice)] ?? device.state));
    }
    return Response.json({ id: token.id, state: token.state, devices: { count: hit.length, choice }, dry_run });
  }

  #devices({ method, body, headers }: Asked, query: URLSearchParams, id?: string, action?: string): Response | null {
    if (id === undefined) return this.#page(this.devices, query);
    const device = this.devices.find((one) => one.id === id);
    if (device === undefined) return null;
    if (method === "PATCH") return this.#change(device, body, headers);
    if (action === undefined) return single(device);
    if (!FROM[action]?.includes(device.state)) return refused(409, `A device that is ${device.state} cannot be changed so.`);
    device.state = action === "resume" && device["approved_at"] === null ? "pending" : (AFTER[action] ?? device.state);
    return single(device);
  }

  #change(device: Thing, body: Asked["body"], headers: Headers): Response {
    if (headers.get("If-Match") !== etag(device)) return refused(412, "The device was changed by somebody else.");
    if (this.devices.some((other) => other !== device && other["name"] === body["name"])) {
      return refused(409, "Another device has this name.");
    }
    Object.assign(device, body, { version: Number(device["version"]) + 1 });
    return single(device);
  }

  #page(things: readonly Thing[], query: URLSearchParams): Response {
    const wanted = ["tenant_id", "state", "registration_token_id"].filter((name) => query.has(name));
    const found = things.filter((thing) => wanted.every((name) => thing[name] === query.get(name)) && !hasEnded(thing, query));
    const start = Number(query.get("cursor") ?? 0);
    const end = start + this.pageSize;
    return Response.json({ items: found.slice(start, end), next_cursor: end < found.length ? String(end) : null });
  }
}

/** Devices that have ended are told to who asks for their state only. */
function hasEnded({ id, state }: Thing, query: URLSearchParams): boolean {
  return id.startsWith("dev_") && !query.has("state") && (state === "revoked" || state === "expired");
}

function etag(thing: Thing): string {
  return `"${String(thing["version"])}"`;
}

function single(thing: Thing): Response {
  return Response.json(thing, { headers: { ETag: etag(thing) } });
}

function minted(token: Thing, status: number): Response {
  return Response.json({ ...token, token: SECRET }, { status });
}

export function refused(status: number, detail: string): Response {
  const body = { type: "about:blank", title: "Refused", status, detail, code: "some_code", request_id: "req-8" };
  return Response.json(body, { status, headers: { "Content-Type": "application/problem+json" } });
}
