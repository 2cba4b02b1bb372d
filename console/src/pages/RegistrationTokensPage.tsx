import { useState } from "react";
import type { Trouble } from "../api/client";
import type { DevicesChoice, MintedToken, RegistrationToken, Revocation, Tenant } from "../api/types";
import { ListCard } from "../components/ListCard";
import { Outcome, type Told } from "../components/Outcome";
import { CreateTokenDialog } from "../components/registrationTokens/CreateTokenDialog";
import { NoTokens } from "../components/registrationTokens/NoTokens";
import { RevokeTokenDialog } from "../components/registrationTokens/RevokeTokenDialog";
import { RotateDialog } from "../components/registrationTokens/RotateDialog";
import { SecretDialog } from "../components/registrationTokens/SecretDialog";
import { TokenRow } from "../components/registrationTokens/TokenRow";
import { useOwners } from "../lists/useOwners";
import { usePages, type Listing } from "../lists/usePages";
import { useParts } from "../parts";
import { mayManage } from "../permissions";
import { revokedSentence } from "../registrationTokens";
import type { Scope } from "../scope";
import { useNow } from "../useNow";

const NOW_EVERY_MILLISECONDS = 30_000;

type Open =
  | { readonly dialog: "create" }
  | { readonly dialog: "secret"; readonly minted: MintedToken; readonly isRotated: boolean }
  | { readonly dialog: "rotate" | "revoke"; readonly token: RegistrationToken };

export function RegistrationTokensPage({ scope }: { scope: Scope }) {
  const { session } = useParts();
  const { id: tenantId, name: tenantName, role } = scope.tenant;
  const list = usePages(tenantId, (cursor, signal) => session.api.registrationTokens.list(tenantId, cursor, signal));
  const [open, setOpen] = useState<Open | null>(null);
  const [told, setTold] = useState<Told | null>(null);
  const now = useNow(NOW_EVERY_MILLISECONDS);
  const ownerName = useOwners(scope);
  const onCreate = mayManage(role) ? () => setOpen({ dialog: "create" }) : null;
  return (
    <>
      <Outcome told={told} />
      <ListCard
        title={`Registration tokens of ${tenantName}`}
        listing={list}
        items={list.items ?? []}
        empty={<NoTokens onCreate={onCreate} />}
        head={<ListHead list={list} onCreate={onCreate} />}
        row={(token) => (
          <TokenRow
            {...{ token, role, now, ownerName }}
            onAction={(chosen, dialog) => setOpen({ dialog, token: chosen })}
          />
        )}
      />
      {open && <OpenDialog {...{ open, setOpen, setTold, list, tenant: scope.tenant }} />}
    </>
  );
}

interface ListHeadProps {
  readonly list: Listing<RegistrationToken>;
  readonly onCreate: (() => void) | null;
}

function ListHead({ list, onCreate }: ListHeadProps) {
  return (
    <div className="list__head">
      <p className="card__note">Each one lets machines join this tenant without a password.</p>
      <button type="button" className="button button--small list__reload" onClick={list.reload}>
        Refresh
      </button>
      {onCreate && (
        <button type="button" className="button button--small button--primary" onClick={onCreate}>
          New token
        </button>
      )}
    </div>
  );
}

interface OpenDialogProps {
  readonly open: Open;
  readonly setOpen: (open: Open | null) => void;
  readonly setTold: (told: Told) => void;
  readonly list: Listing<RegistrationToken>;
  readonly tenant: Tenant;
}

function OpenDialog({ open, setOpen, setTold, list, tenant }: OpenDialogProps) {
  const { session } = useParts();
  const onClose = () => setOpen(null);
  const onStale = async (token: RegistrationToken, trouble: Trouble) => {
    onClose();
    const now = await session.api.registrationTokens.show(token.id, new AbortController().signal);
    if (now.ok) list.put(now.value);
    else if (now.failure.kind === "trouble" && now.failure.status === 404) list.remove(token.id);
    const change = now.ok && now.value.state !== token.state ? ` It is now ${now.value.state}.` : "";
    setTold({ kind: "refused", sentence: `${token.label}: ${trouble.sentence}${change}` });
  };
  switch (open.dialog) {
    case "create":
      return (
        <CreateTokenDialog
          tenant={tenant}
          onClose={onClose}
          onCreated={(minted) => {
            list.reload();
            setOpen({ dialog: "secret", minted, isRotated: false });
          }}
        />
      );
    case "secret":
      return <SecretDialog minted={open.minted} isRotated={open.isRotated} onClose={onClose} />;
    case "rotate":
      return (
        <RotateDialog
          token={open.token}
          onClose={onClose}
          onStale={(trouble) => void onStale(open.token, trouble)}
          onRotated={(minted) => {
            list.put(minted.registrationToken);
            setOpen({ dialog: "secret", minted, isRotated: true });
          }}
        />
      );
    case "revoke": {
      const onRevoked = (revocation: Revocation, choice: DevicesChoice) => {
        list.put({ ...open.token, state: revocation.state });
        setTold({ kind: "done", sentence: revokedSentence(open.token, revocation.devices.count, choice) });
        onClose();
      };
      return (
        <RevokeTokenDialog
          token={open.token}
          onClose={onClose}
          onStale={(trouble) => void onStale(open.token, trouble)}
          onRevoked={onRevoked}
        />
      );
    }
  }
}
