import { useId } from "react";
import type { RegistrationToken } from "../../api/types";
import { since, span, until } from "../../moments";
import { usePlace } from "../../navigation/navigation";
import { pageOf } from "../../navigation/places";
import { actionsFor, usesInWords, type TokenAction } from "../../registrationTokens";
import { Badge } from "../Badge";
import { Fact, Words } from "../Fact";
import { Link } from "../Link";
import { Moment } from "../Moment";

interface TokenRowProps {
  readonly token: RegistrationToken;
  readonly role: string;
  readonly now: number;
  readonly ownerName: (ownerId: string) => string;
  readonly onAction: (token: RegistrationToken, action: TokenAction) => void;
}

const LABELS: Readonly<Record<TokenAction, string>> = { rotate: "Rotate", revoke: "Revoke" };

export function TokenRow(props: TokenRowProps) {
  const { token, role, onAction } = props;
  const place = usePlace();
  const labelId = useId();
  return (
    <article aria-labelledby={labelId}>
      <div className="row__head">
        <h3 id={labelId} className="row__name">
          <bdi>{token.label}</bdi>
        </h3>
        <Badge state={token.state} />
        <div className="row__actions">
          <Link
            to={{ ...pageOf(place, "devices"), registrationTokenId: token.id }}
            className="button button--small button--quiet"
            label={`Devices of ${token.label}`}
          >
            Devices
          </Link>
          {actionsFor(token, role).map((action) => (
            <button
              key={action}
              type="button"
              className="button button--small button--quiet"
              aria-label={`${LABELS[action]} ${token.label}`}
              onClick={() => onAction(token, action)}
            >
              {LABELS[action]}
            </button>
          ))}
        </div>
      </div>
      {token.description !== null && <p className="card__note">{token.description}</p>}
      <TokenFacts {...props} />
    </article>
  );
}

function TokenFacts({ token, now, ownerName }: TokenRowProps) {
  const { expires_at, last_used_at, created_at, taints, ephemeral_s } = token;
  return (
    <dl className="facts">
      <Fact name="Uses">{usesInWords(token)}</Fact>
      <Fact name="Expires">
        {expires_at === null ? "never" : <Moment at={expires_at} text={until(expires_at, now)} />}
      </Fact>
      <Fact name="Created">
        <Moment at={created_at} text={since(created_at, now)} /> by {ownerName(token.owner_id)}
      </Fact>
      <Fact name="Last used">
        {last_used_at === null ? "never" : <Moment at={last_used_at} text={since(last_used_at, now)} />}
      </Fact>
      {token.pre_approved && <Fact name="Approval">given beforehand</Fact>}
      {ephemeral_s !== null && <Fact name="Its devices leave">after {span(ephemeral_s)} of silence</Fact>}
      {taints.length > 0 && (
        <Fact name="Taints">
          <Words words={taints} />
        </Fact>
      )}
    </dl>
  );
}
