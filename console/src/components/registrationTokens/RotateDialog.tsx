import { useState } from "react";
import { isStale, type Trouble } from "../../api/client";
import type { MintedToken, RegistrationToken } from "../../api/types";
import { useParts } from "../../parts";
import { Dialog } from "../Dialog";
import { Refusal } from "../Refusal";

interface RotateDialogProps {
  readonly token: RegistrationToken;
  readonly onRotated: (minted: MintedToken) => void;
  /** It is not any more what it was when the dialog was opened. */
  readonly onStale: (trouble: Trouble) => void;
  readonly onClose: () => void;
}

export function RotateDialog({ token, onRotated, onStale, onClose }: RotateDialogProps) {
  const { session } = useParts();
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Trouble | null>(null);
  const rotate = async () => {
    if (isBusy) return;
    setBusy(true);
    const result = await session.api.registrationTokens.rotate(token.id, new AbortController().signal);
    setBusy(false);
    if (result.ok) return onRotated(result.value);
    if (result.failure.kind !== "trouble") return;
    if (isStale(result.failure)) onStale(result.failure);
    else setRefusal(result.failure);
  };
  return (
    <Dialog title={`Rotate ${token.label}?`} onClose={isBusy ? null : onClose}>
      <p>
        You get a new secret. The present one works until the new one is first used. Devices that have joined notice
        nothing.
      </p>
      <Refusal trouble={refusal} />
      <div className="dialog__buttons">
        <button
          type="button"
          className="button button--primary"
          aria-disabled={isBusy}
          onClick={() => void rotate()}
        >
          Make a new secret
        </button>
        <button type="button" className="button" aria-disabled={isBusy} onClick={isBusy ? undefined : onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
