import { useState } from "react";
import type { Device } from "../api/types";
import { ApprovalQueue } from "../components/devices/ApprovalQueue";
import { DeviceRow, type RowAction } from "../components/devices/DeviceRow";
import { NoDevices } from "../components/devices/NoDevices";
import { RenameDialog } from "../components/devices/RenameDialog";
import { RevokeDeviceDialog } from "../components/devices/RevokeDeviceDialog";
import { StateFilter } from "../components/devices/StateFilter";
import { useDeviceActions } from "../components/devices/useDeviceActions";
import { Link } from "../components/Link";
import { ListCard } from "../components/ListCard";
import { Outcome } from "../components/Outcome";
import { isAwaiting } from "../devices";
import { together } from "../lists/together";
import { useOwners } from "../lists/useOwners";
import { usePages } from "../lists/usePages";
import { useTokenLabels } from "../lists/useTokenLabels";
import { usePlace } from "../navigation/navigation";
import { pageOf } from "../navigation/places";
import { useParts } from "../parts";
import type { Scope } from "../scope";
import { useNow } from "../useNow";

const NOW_EVERY_MILLISECONDS = 30_000;

interface Asked {
  readonly device: Device;
  readonly dialog: "rename" | "revoke";
}

export function DevicesPage({ scope }: { scope: Scope }) {
  const { role } = scope.tenant;
  const place = usePlace();
  const list = useDevices(scope, place.deviceState, place.registrationTokenId);
  const queue = together(useDevices(scope, "quarantined"), useDevices(scope, "pending"));
  const { told, act, changed } = useDeviceActions(list, queue);
  const [asked, setAsked] = useState<Asked | null>(null);
  const now = useNow(NOW_EVERY_MILLISECONDS);
  const ownerName = useOwners(scope);
  const tokenLabel = useTokenLabels(scope);
  const waiting = queue.items?.filter(isAwaiting) ?? [];
  // Who waits stands above the unfiltered list already.
  const isUnfiltered = place.deviceState === null && place.registrationTokenId === null;
  const shownAbove = isUnfiltered ? waiting : [];
  const onAction = (device: Device, action: RowAction) => {
    if (action === "rename" || action === "revoke") setAsked({ device, dialog: action });
    else void act(device, action);
  };
  const close = () => setAsked(null);
  const reload = () => {
    list.reload();
    queue.reload();
  };
  const row = (device: Device) => <DeviceRow {...{ device, role, now, ownerName, tokenLabel, onAction }} />;
  return (
    <>
      <Outcome told={told} />
      <ApprovalQueue queue={queue} waiting={waiting} role={role} row={row} />
      <ListCard
        title={titleOf(scope, place.registrationTokenId, tokenLabel)}
        listing={list}
        items={withoutThose(list.items ?? [], shownAbove)}
        row={row}
        empty={shownAbove.length > 0 ? null : <NoDevices />}
        head={<ListHead onReload={reload} isLineage={place.registrationTokenId !== null} />}
      />
      {asked?.dialog === "rename" && (
        <RenameDialog
          device={asked.device}
          onClose={close}
          onRenamed={(device) => {
            close();
            changed(device, `${asked.device.name} is now called ${device.name}.`);
          }}
        />
      )}
      {asked?.dialog === "revoke" && (
        <RevokeDeviceDialog
          device={asked.device}
          onClose={close}
          onConfirm={() => {
            close();
            void act(asked.device, "revoke");
          }}
        />
      )}
    </>
  );
}

function useDevices({ tenant }: Scope, state: string | null, registrationTokenId: string | null = null) {
  const { session } = useParts();
  const filter = { tenantId: tenant.id, state, registrationTokenId };
  const question = `${tenant.id} ${state} ${registrationTokenId}`;
  return usePages(question, (cursor, signal) => session.api.devices.list(filter, cursor, signal));
}

function withoutThose(devices: readonly Device[], shown: readonly Device[]): readonly Device[] {
  return devices.filter(({ id }) => !shown.some((other) => other.id === id));
}

function titleOf({ tenant }: Scope, tokenId: string | null, tokenLabel: (tokenId: string) => string): string {
  return tokenId === null ? `Devices of ${tenant.name}` : `Devices that joined with ${tokenLabel(tokenId)}`;
}

function ListHead({ onReload, isLineage }: { onReload: () => void; isLineage: boolean }) {
  const place = usePlace();
  return (
    <div className="list__head">
      <StateFilter />
      {isLineage && (
        <Link to={pageOf(place, "devices")} className="link">
          Devices of all tokens
        </Link>
      )}
      <button type="button" className="button button--small list__reload" onClick={onReload}>
        Refresh
      </button>
    </div>
  );
}
