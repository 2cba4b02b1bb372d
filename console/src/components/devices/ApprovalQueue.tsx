import type { ReactNode } from "react";
import type { Device } from "../../api/types";
import { mayApprove } from "../../permissions";
import type { Listing } from "../../lists/usePages";
import { ListCard } from "../ListCard";

interface ApprovalQueueProps {
  readonly queue: Listing<Device>;
  readonly waiting: readonly Device[];
  readonly role: string;
  readonly row: (device: Device) => ReactNode;
}

/** Only there when somebody waits. */
export function ApprovalQueue({ queue, waiting, role, row }: ApprovalQueueProps) {
  if (waiting.length === 0 && queue.trouble === null && !queue.hasMore) return null;
  return (
    <ListCard
      title={`Waiting for approval (${waiting.length}${queue.hasMore ? " and more" : ""})`}
      className="list--waiting"
      listing={queue}
      items={waiting}
      row={row}
      empty={null}
      head={
        <p className="card__note">
          {mayApprove(role)
            ? "Nothing reaches these devices, and they reach nothing, until somebody approves them."
            : "An admin of the tenant decides about these devices. Until then nothing reaches them."}
        </p>
      }
    />
  );
}
