import { useId } from "react";
import type { DeviceAction } from "../../api/devices";
import type { Device } from "../../api/types";
import { actionsFor, isAwaiting } from "../../devices";
import { since } from "../../moments";
import { pageOf } from "../../navigation/places";
import { usePlace } from "../../navigation/navigation";
import { Badge } from "../Badge";
import { Fact, Words } from "../Fact";
import { Link } from "../Link";
import { Moment } from "../Moment";
import { EvidenceBox } from "./EvidenceBox";

export type RowAction = DeviceAction | "rename";

export interface DeviceRowProps {
  readonly device: Device;
  readonly role: string;
  readonly now: number;
  readonly ownerName: (ownerId: string) => string;
  readonly tokenLabel: (tokenId: string) => string;
  readonly onAction: (device: Device, action: RowAction) => void;
}

const LABELS: Readonly<Record<RowAction, string>> = {
  approve: "Approve",
  suspend: "Suspend",
  resume: "Resume",
  rename: "Rename",
  revoke: "Revoke",
};

export function DeviceRow(props: DeviceRowProps) {
  const { device, role, onAction } = props;
  const nameId = useId();
  return (
    <article aria-labelledby={nameId}>
      <div className="row__head">
        <h3 id={nameId} className="row__name">
          <bdi>{device.name}</bdi>
        </h3>
        <Badge state={device.state} />
        <div className="row__actions">
          {actionsFor(device, role).map((action) => (
            <button
              key={action}
              type="button"
              className={`button button--small ${styleOf(action, device)}`}
              aria-label={`${LABELS[action]} ${device.name}`}
              onClick={() => onAction(device, action)}
            >
              {LABELS[action]}
            </button>
          ))}
        </div>
      </div>
      {device.state_reason !== null && <p className="card__note">{device.state_reason}</p>}
      {device.state === "quarantined" && <EvidenceBox evidence={device.evidence} />}
      <DeviceFacts {...props} />
    </article>
  );
}

/** What may be a copy is not for approving in passing. */
function styleOf(action: RowAction, { state }: Device): string {
  if (action !== "approve") return "button--quiet";
  return state === "pending" ? "button--primary" : "";
}

function DeviceFacts({ device, now, ownerName, tokenLabel }: DeviceRowProps) {
  const { ipv4, ipv6, registered_at, last_seen_at, taints } = device;
  return (
    <dl className="facts facts--addresses">
      <Fact name="Addresses">
        {ipv4 === null && ipv6 === null && "none"}
        {ipv4 !== null && <code className="address">{ipv4}</code>}
        {ipv6 !== null && <code className="address">{ipv6}</code>}
      </Fact>
      <Fact name="Owner">{ownerName(device.owner_id)}</Fact>
      <Fact name="Last seen">
        {last_seen_at === null ? "never" : <Moment at={last_seen_at} text={since(last_seen_at, now)} />}
      </Fact>
      <Fact name="Registered">
        <Moment at={registered_at} text={since(registered_at, now)} />
        <RegisteredBy tokenId={device.registration_token_id} tokenLabel={tokenLabel} />
      </Fact>
      {/* What whoever approves may compare with what the machine itself says. */}
      {isAwaiting(device) && <KeyFacts device={device} />}
      {taints.length > 0 && (
        <Fact name="Taints">
          <Words words={taints} />
        </Fact>
      )}
    </dl>
  );
}

function KeyFacts({ device: { fingerprint, public_key } }: { device: Device }) {
  return (
    <>
      {fingerprint !== null && (
        <Fact name="Fingerprint">
          <code>{fingerprint}</code>
        </Fact>
      )}
      {public_key !== null && (
        <Fact name="Public key">
          <code>{public_key}</code>
        </Fact>
      )}
    </>
  );
}

interface RegisteredByProps {
  readonly tokenId: string | null;
  readonly tokenLabel: (tokenId: string) => string;
}

/** Leads to all devices that the same token enrolled. */
function RegisteredBy({ tokenId, tokenLabel }: RegisteredByProps) {
  const place = usePlace();
  if (tokenId === null) return <> by its owner</>;
  return (
    <>
      {" by "}
      <Link to={{ ...pageOf(place, "devices"), registrationTokenId: tokenId }} className="link">
        <bdi>{tokenLabel(tokenId)}</bdi>
      </Link>
    </>
  );
}
