import { useId, useRef, useState, type SubmitEvent } from "react";
import type { Trouble } from "../../api/client";
import type { MintedToken, NewRegistrationToken, Tenant } from "../../api/types";
import { useParts } from "../../parts";
import { mayApprove } from "../../permissions";
import { bodyOf, isOpenDoor, LIFETIMES, NEW_DRAFT, SILENCES, type Draft } from "../../registrationTokens";
import { Dialog } from "../Dialog";
import { Refusal } from "../Refusal";
import { SpanField } from "./SpanField";
import { UsesField } from "./UsesField";

interface CreateTokenDialogProps {
  readonly tenant: Tenant;
  readonly onCreated: (minted: MintedToken) => void;
  readonly onClose: () => void;
}

interface Attempt {
  readonly draft: Draft;
  readonly body: NewRegistrationToken;
  readonly key: string;
}

const LONGEST_LABEL = 100;

export function CreateTokenDialog({ tenant, onCreated, onClose }: CreateTokenDialogProps) {
  const { session, platform } = useParts();
  const [draft, setDraft] = useState<Draft>(NEW_DRAFT);
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Trouble | null>(null);
  const last = useRef<Attempt | null>(null);
  const change = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes });
  const create = async () => {
    if (isBusy) return;
    setBusy(true);
    // Nobody knows whether a request without an answer was done: unless the form was changed, the same is sent again
    // under the same key.
    const attempt =
      last.current?.draft === draft
        ? last.current
        : { draft, body: bodyOf(draft, tenant.id, platform.now()), key: platform.newName() };
    last.current = attempt;
    const { signal } = new AbortController();
    const result = await session.api.registrationTokens.create(attempt.body, attempt.key, signal);
    setBusy(false);
    if (result.ok) onCreated(result.value);
    else if (result.failure.kind === "trouble") setRefusal(result.failure);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void create();
  };
  return (
    // Not while the answer is on its way: it holds the only copy of the secret.
    <Dialog title="New registration token" className="dialog--form" onClose={isBusy ? null : onClose}>
      <form className="form" onSubmit={submit}>
        <DraftFields draft={draft} onChange={change} />
        {mayApprove(tenant.role) && <ForcedFields draft={draft} onChange={change} />}
        <Refusal trouble={refusal} />
        <div className="dialog__buttons">
          <button type="submit" className="button button--primary" aria-disabled={isBusy}>
            {isBusy ? "Creating…" : "Create token"}
          </button>
          <button type="button" className="button" aria-disabled={isBusy} onClick={isBusy ? undefined : onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface DraftFieldsProps {
  readonly draft: Draft;
  readonly onChange: (changes: Partial<Draft>) => void;
}

function DraftFields({ draft, onChange }: DraftFieldsProps) {
  const id = useId();
  return (
    <>
      <div className="field">
        <label htmlFor={`${id}-label`}>Label</label>
        <input
          id={`${id}-label`}
          className="input"
          required
          maxLength={LONGEST_LABEL}
          autoComplete="off"
          placeholder="What it is for"
          value={draft.label}
          onChange={(event) => onChange({ label: event.target.value })}
        />
      </div>
      <UsesField uses={draft.uses} maxUses={draft.maxUses} onChange={onChange} />
      <div className="form__pair">
        <SpanField
          name="Expires after"
          spans={LIFETIMES}
          none="never"
          value={draft.lifetimeSeconds}
          onChange={(lifetimeSeconds) => onChange({ lifetimeSeconds })}
        />
        <SpanField
          name="Silent devices leave after"
          spans={SILENCES}
          none="never"
          value={draft.silenceSeconds}
          onChange={(silenceSeconds) => onChange({ silenceSeconds })}
        />
      </div>
      {isOpenDoor(draft) && (
        <p className="banner banner--warning">
          Whoever finds this token can bring in devices for ever. If you can, give it an end.
        </p>
      )}
    </>
  );
}

/** Only who may approve devices may do so beforehand, or say whom they may talk to. */
function ForcedFields({ draft, onChange }: DraftFieldsProps) {
  const id = useId();
  return (
    <>
      <div className="field">
        <label htmlFor={`${id}-taints`}>Taints</label>
        <input
          id={`${id}-taints`}
          className="input"
          autoComplete="off"
          spellCheck={false}
          aria-describedby={`${id}-taints-hint`}
          value={draft.taints}
          onChange={(event) => onChange({ taints: event.target.value })}
        />
        <p id={`${id}-taints-hint`} className="field__hint">
          Forced on its devices; separate them by commas. Two devices may talk only if they share one.
        </p>
      </div>
      <label className="choice">
        <input
          type="checkbox"
          checked={draft.isPreApproved}
          onChange={(event) => onChange({ isPreApproved: event.target.checked })}
        />
        <span>Pre-approved: its devices need nobody&rsquo;s approval</span>
      </label>
    </>
  );
}
