/** Rules about registration tokens, and the words for them. Pure. */

import type { DevicesChoice, NewRegistrationToken, RegistrationToken } from "./api/types";
import { mayManage } from "./permissions";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds and what they are called. */
export type Span = readonly [seconds: number, name: string];

export const LIFETIMES: readonly Span[] = [
  [HOUR, "1 hour"],
  [DAY, "1 day"],
  [7 * DAY, "7 days"],
  [30 * DAY, "30 days"],
  [90 * DAY, "90 days"],
];

export const SILENCES: readonly Span[] = [
  [10 * MINUTE, "10 minutes"],
  [HOUR, "1 hour"],
  [DAY, "1 day"],
  [7 * DAY, "7 days"],
];

export type Uses = "once" | "some" | "any";

/** What stands in the form. */
export interface Draft {
  readonly label: string;
  readonly uses: Uses;
  readonly maxUses: string;
  /** `null`: it never expires. */
  readonly lifetimeSeconds: number | null;
  readonly taints: string;
  readonly isPreApproved: boolean;
  /** `null`: its devices stay. */
  readonly silenceSeconds: number | null;
}

export const NEW_DRAFT: Draft = {
  label: "",
  uses: "once",
  maxUses: "10",
  lifetimeSeconds: 7 * DAY,
  taints: "",
  isPreApproved: false,
  silenceSeconds: null,
};

export function bodyOf(draft: Draft, tenantId: string, now: number): NewRegistrationToken {
  const taints = wordsOf(draft.taints);
  return {
    tenant_id: tenantId,
    label: draft.label.trim(),
    ...(draft.uses !== "any" && { max_uses: draft.uses === "once" ? 1 : Number(draft.maxUses) }),
    ...(draft.lifetimeSeconds !== null && { expires_at: expiry(draft.lifetimeSeconds, now) }),
    ...(taints.length > 0 && { taints }),
    ...(draft.isPreApproved && { pre_approved: true }),
    ...(draft.silenceSeconds !== null && { ephemeral_s: draft.silenceSeconds }),
  };
}

/** Nobody would notice for how long it has been in wrong hands. */
export function isOpenDoor(draft: Draft): boolean {
  return draft.uses === "any" && draft.lifetimeSeconds === null;
}

export type TokenAction = "rotate" | "revoke";

/** What to offer for a token, by its state and the role of who looks. */
export function actionsFor(token: RegistrationToken, role: string): readonly TokenAction[] {
  if (!mayManage(role) || token.state === "revoked") return [];
  // A token that is over may still have devices to cut off.
  const canSpend = token.state === "active" || token.state === "not_yet_valid";
  return canSpend ? ["rotate", "revoke"] : ["revoke"];
}

export function usesInWords({ uses, max_uses }: RegistrationToken): string {
  return max_uses === null ? `${uses}, reusable` : `${uses} of ${max_uses}`;
}

const WOULD_BE: Readonly<Record<DevicesChoice, string>> = {
  keep: "would stay as they are",
  suspend: "would be suspended",
  revoke: "would be revoked for ever",
};

const WERE: Readonly<Record<DevicesChoice, string>> = {
  keep: "stay as they are",
  suspend: "were suspended",
  revoke: "were revoked",
};

export function dryRunSentence(count: number, choice: DevicesChoice): string {
  return count === 0 ? "No device would be touched." : `Devices that ${WOULD_BE[choice]}: ${count}.`;
}

export function revokedSentence(token: RegistrationToken, count: number, choice: DevicesChoice): string {
  const devices = count === 0 ? "No device was touched." : `Devices that ${WERE[choice]}: ${count}.`;
  return `${token.label} was revoked. ${devices}`;
}

function wordsOf(text: string): readonly string[] {
  return [...new Set(text.split(/[\s,]+/u).filter((word) => word !== ""))];
}

function expiry(seconds: number, now: number): string {
  return new Date(now + seconds * 1000).toISOString();
}
