import { useId, useState, type SubmitEvent } from "react";
import type { Trouble } from "../../api/client";
import type { Device } from "../../api/types";
import { whatChanged } from "../../devices";
import { useAnswer } from "../../lists/useAnswer";
import { useParts } from "../../parts";
import { Dialog } from "../Dialog";
import { Refusal } from "../Refusal";

interface RenameDialogProps {
  readonly device: Device;
  readonly onRenamed: (device: Device) => void;
  readonly onClose: () => void;
}

const LONGEST_NAME = 63;

/** Asks for the device first: what it is called now, and the ETag that keeps two people from renaming past each other. */
export function RenameDialog({ device, onRenamed, onClose }: RenameDialogProps) {
  const { session } = useParts();
  const { result: current, retry: ask } = useAnswer(device.id, (signal) => session.api.devices.show(device.id, signal));
  const [name, setName] = useState(device.name);
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Trouble | null>(null);
  const nameId = useId();
  const rename = async () => {
    if (isBusy || !current?.ok) return;
    setBusy(true);
    const { etag } = current;
    const result = await session.api.devices.rename(device.id, name.trim(), etag, new AbortController().signal);
    setBusy(false);
    if (result.ok) return onRenamed(result.value);
    if (result.failure.kind !== "trouble") return;
    setRefusal(result.failure);
    ask();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void rename();
  };
  return (
    <Dialog title={`Rename ${device.name}`} onClose={onClose}>
      <form className="form" onSubmit={submit}>
        <div className="field">
          <label htmlFor={nameId}>Name</label>
          <input
            id={nameId}
            className="input"
            required
            maxLength={LONGEST_NAME}
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </div>
        <Refusal trouble={refusal} more={refusal?.status === 412 && current?.ok ? meanwhile(device, current.value) : ""} />
        {current?.ok === false && current.failure.kind === "trouble" && <Refusal trouble={current.failure} />}
        <div className="dialog__buttons">
          <button type="submit" className="button button--primary" aria-disabled={isBusy || !current?.ok}>
            Rename
          </button>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function meanwhile(before: Device, after: Device): string {
  const change = whatChanged(before, after);
  return `${change === "" ? "It was changed meanwhile." : change} Press Rename again if you still want your name for it.`;
}
