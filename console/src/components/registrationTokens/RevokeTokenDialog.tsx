import { useId, useState } from "react";
import { isStale, type Result, type Trouble } from "../../api/client";
import type { DevicesChoice, RegistrationToken, Revocation } from "../../api/types";
import { useAnswer } from "../../lists/useAnswer";
import { useParts } from "../../parts";
import { dryRunSentence } from "../../registrationTokens";
import { Dialog } from "../Dialog";
import { Refusal } from "../Refusal";
import { TroubleBanner } from "../TroubleBanner";

interface RevokeTokenDialogProps {
  readonly token: RegistrationToken;
  readonly onRevoked: (revocation: Revocation, choice: DevicesChoice) => void;
  /** It is not any more what it was when the dialog was opened. */
  readonly onStale: (trouble: Trouble) => void;
  readonly onClose: () => void;
}

const CHOICES: ReadonlyArray<readonly [DevicesChoice, string, string]> = [
  ["keep", "Keep them", "they go on as if nothing had happened"],
  ["suspend", "Suspend them", "until somebody resumes them"],
  ["revoke", "Revoke them", "for ever"],
];

/** Says how many devices it would hit before anything is done. */
export function RevokeTokenDialog({ token, onRevoked, onStale, onClose }: RevokeTokenDialogProps) {
  const { session } = useParts();
  const { revoke } = session.api.registrationTokens;
  const [choice, setChoice] = useState<DevicesChoice>("keep");
  const dryRun = useAnswer(choice, (signal) => revoke(token.id, choice, true, signal));
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Trouble | null>(null);
  const isReady = dryRun.result?.ok === true && !isBusy;
  const confirm = async () => {
    if (!isReady) return;
    setBusy(true);
    const result = await revoke(token.id, choice, false, new AbortController().signal);
    setBusy(false);
    if (result.ok) return onRevoked(result.value, choice);
    if (result.failure.kind !== "trouble") return;
    if (isStale(result.failure)) onStale(result.failure);
    else setRefusal(result.failure);
  };
  return (
    <Dialog title={`Revoke ${token.label}?`} onClose={onClose}>
      <p>No further device can join with it, for ever.</p>
      <DevicesField choice={choice} onChange={setChoice} />
      <DryRun result={dryRun.result} choice={choice} onRetry={dryRun.retry} />
      <Refusal trouble={refusal} />
      <div className="dialog__buttons">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button button--danger"
          aria-disabled={!isReady}
          onClick={() => void confirm()}
        >
          Revoke this token
        </button>
      </div>
    </Dialog>
  );
}

interface DevicesFieldProps {
  readonly choice: DevicesChoice;
  readonly onChange: (choice: DevicesChoice) => void;
}

function DevicesField({ choice, onChange }: DevicesFieldProps) {
  const name = useId();
  return (
    <fieldset className="field">
      <legend>The devices that joined with it</legend>
      {CHOICES.map(([value, label, hint]) => (
        <label key={value} className="choice">
          <input type="radio" name={name} checked={choice === value} onChange={() => onChange(value)} />
          <span>
            {label} <span className="field__hint">{hint}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

interface DryRunProps {
  readonly result: Result<Revocation> | null;
  readonly choice: DevicesChoice;
  readonly onRetry: () => void;
}

function DryRun({ result, choice, onRetry }: DryRunProps) {
  return (
    <>
      <p role="status" className="dry-run">
        {result === null && "Counting devices…"}
        {result?.ok && dryRunSentence(result.value.devices.count, choice)}
      </p>
      {result?.ok === false && result.failure.kind === "trouble" && (
        <TroubleBanner trouble={result.failure} onRetry={onRetry} />
      )}
    </>
  );
}
