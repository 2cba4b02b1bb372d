/** Registration tokens and devices as the apiserver tells them, with defaults for what a test does not care about. */

export type Thing = Record<string, unknown> & { id: string; state: string };

/** The clock of `FakePlatform`. */
export const NOW = 1_700_000_000_000;

/** RFC 3339, so many seconds from now. */
export function at(seconds: number): string {
  return new Date(NOW + seconds * 1000).toISOString();
}

export function aToken(id: string, changes: Partial<Thing> = {}): Thing {
  return {
    id,
    tenant_id: "t-1",
    owner_id: "usr_1",
    label: `Label of ${id}`,
    description: null,
    state: "active",
    uses: 0,
    max_uses: 1,
    expires_at: at(7 * 86_400),
    last_used_at: null,
    created_at: at(-3_600),
    taints: [],
    labels: {},
    source_networks: [],
    pre_approved: false,
    ephemeral_s: null,
    version: 1,
    ...changes,
  };
}

export function aDevice(name: string, changes: Partial<Thing> = {}): Thing {
  return {
    id: `dev_${name}`,
    tenant_id: "t-1",
    owner_id: "usr_1",
    registration_token_id: null,
    name,
    state: "active",
    state_reason: null,
    public_key: null,
    fingerprint: null,
    ipv4: "100.64.0.1",
    ipv6: "fd00::1",
    taints: [],
    labels: {},
    evidence: null,
    registered_at: at(-86_400),
    approved_at: at(-80_000),
    last_seen_at: at(-120),
    version: 1,
    ...changes,
  };
}
