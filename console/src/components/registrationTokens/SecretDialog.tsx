import type { MintedToken } from "../../api/types";
import { enrollCommand, quietEnrollCommand } from "../../commands";
import { useParts } from "../../parts";
import { Command } from "../Command";
import { Dialog } from "../Dialog";

interface SecretDialogProps {
  readonly minted: MintedToken;
  readonly isRotated: boolean;
  readonly onClose: () => void;
}

/** The one time that the secret is shown. An Escape by mistake must not take it away. */
export function SecretDialog({ minted: { registrationToken, secret }, isRotated, onClose }: SecretDialogProps) {
  const { platform } = useParts();
  const { origin } = platform.address();
  return (
    <Dialog title={`The token of ${registrationToken.label}`} className="dialog--wide" onClose={null}>
      <div className="form">
        <p className="banner banner--warning">
          Copy it now: it is shown this once, and kept nowhere. If you lose it, rotate the registration token.
        </p>
        <Command text={secret} name="the token" />
        {isRotated && <p>The former one works until this one is first used.</p>}
        <section className="form__part">
          <h3>On the machine that should join</h3>
          <Command text={enrollCommand(origin, secret)} name="the command with the token" />
        </section>
        <section className="form__part">
          <h3>The same, without the token in the shell&rsquo;s history</h3>
          <Command text={quietEnrollCommand(origin)} />
          <p>Paste the token when the command waits, then press Enter and Ctrl-D.</p>
        </section>
        <div className="dialog__buttons">
          <button type="button" className="button button--primary" onClick={onClose}>
            I have stored it
          </button>
        </div>
      </div>
    </Dialog>
  );
}
