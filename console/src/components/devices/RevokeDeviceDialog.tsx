import type { Device } from "../../api/types";
import { Dialog } from "../Dialog";

interface RevokeDeviceDialogProps {
  readonly device: Device;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

export function RevokeDeviceDialog({ device, onConfirm, onClose }: RevokeDeviceDialogProps) {
  return (
    <Dialog title={`Revoke ${device.name}?`} onClose={onClose}>
      <p>
        Its token ends at once and its name and addresses become free. This is for ever: to come back, it has to join
        anew. To stop it for a while, suspend it.
      </p>
      <div className="dialog__buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" className="button button--danger" onClick={onConfirm}>
          Revoke this device
        </button>
      </div>
    </Dialog>
  );
}
