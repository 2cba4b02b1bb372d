/** Rules about devices. Pure. */

import type { DeviceAction } from "./api/devices";
import type { Device } from "./api/types";
import { mayApprove, mayManage } from "./permissions";

export const DEVICE_STATES = ["active", "pending", "quarantined", "suspended", "revoked", "expired"] as const;

const AWAITING: ReadonlySet<string> = new Set(["pending", "quarantined"]);

/** Somebody has to decide whether it may come in. */
export function isAwaiting(device: Device): boolean {
  return AWAITING.has(device.state);
}

/** What to offer for a device, by its state and the role of who looks. */
export function actionsFor(device: Device, role: string): readonly (DeviceAction | "rename")[] {
  if (!mayManage(role) || device.state === "revoked") return [];
  // It may join again with its key, unless it is revoked.
  if (device.state === "expired") return ["revoke"];
  const approve = isAwaiting(device) && mayApprove(role) ? (["approve"] as const) : [];
  const pause = device.state === "suspended" ? "resume" : "suspend";
  return [...approve, pause, "rename", "revoke"];
}

const DONE: Readonly<Record<DeviceAction, string>> = {
  approve: "approved",
  suspend: "suspended",
  resume: "resumed",
  revoke: "revoked",
};

export function doneSentence(device: Device, action: DeviceAction): string {
  return `${device.name} was ${DONE[action]}.`;
}

/** What somebody else did to a device meanwhile. */
export function whatChanged(before: Device, after: Device): string {
  const changes = [
    after.name !== before.name && `It is now called ${after.name}.`,
    after.state !== before.state && `It is now ${after.state}.`,
  ];
  return changes.filter((change) => change !== false).join(" ");
}
