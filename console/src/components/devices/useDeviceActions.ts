import { useRef, useState } from "react";
import { isStale, type Trouble } from "../../api/client";
import type { DeviceAction } from "../../api/devices";
import type { Device } from "../../api/types";
import { doneSentence, isAwaiting, whatChanged } from "../../devices";
import type { Listing } from "../../lists/usePages";
import { useParts } from "../../parts";
import type { Told } from "../Outcome";

export interface DeviceActions {
  readonly told: Told | null;
  readonly act: (device: Device, action: DeviceAction) => Promise<void>;
  /** Shows a device that was changed. */
  readonly changed: (device: Device, sentence: string) => void;
}

/** Does things to devices of these lists, and keeps the lists true. */
export function useDeviceActions(list: Listing<Device>, queue: Listing<Device>): DeviceActions {
  const { session } = useParts();
  const [told, setTold] = useState<Told | null>(null);
  const busy = useRef(new Set<string>());
  const show = (device: Device) => {
    list.put(device);
    queue.put(device);
    // It may have come back into the queue (resumed before it was ever approved).
    if (isAwaiting(device)) queue.reload();
  };
  const changed = (device: Device, sentence: string) => {
    show(device);
    setTold({ kind: "done", sentence });
  };
  const refused = async (device: Device, trouble: Trouble) => {
    const now = isStale(trouble) ? await session.api.devices.show(device.id, new AbortController().signal) : null;
    if (now?.ok) show(now.value);
    if (now?.ok === false && now.failure.kind === "trouble" && now.failure.status === 404) {
      list.remove(device.id);
      queue.remove(device.id);
    }
    const change = now?.ok ? whatChanged(device, now.value) : "";
    setTold({ kind: "refused", sentence: `${device.name}: ${trouble.sentence} ${change}`.trim() });
  };
  const act = async (device: Device, action: DeviceAction) => {
    // A second press while the first is under way would be told that the device is in the wrong state.
    if (busy.current.has(device.id)) return;
    busy.current.add(device.id);
    const result = await session.api.devices.act(device.id, action, new AbortController().signal);
    if (result.ok) changed(result.value, doneSentence(device, action));
    else if (result.failure.kind === "trouble") await refused(device, result.failure);
    busy.current.delete(device.id);
  };
  return { told, act, changed };
}
