import { useEffect, useId, useRef } from "react";

interface ExpiredDialogProps {
  readonly onLogIn: () => void;
  /** The second button, and the Escape key. */
  readonly onDismiss: () => void;
}

export function ExpiredDialog({ onLogIn, onDismiss }: ExpiredDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const textId = useId();
  useEffect(() => {
    // showModal makes the page behind inert, keeps the focus inside and gives it to the first button.
    const element = dialog.current;
    if (element?.open === false) element.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog dialog--screen"
      aria-labelledby={titleId}
      aria-describedby={textId}
      onClose={onDismiss}
    >
      <h2 id={titleId}>Your session has expired</h2>
      <p id={textId}>Log in again to go on where you were.</p>
      <div className="dialog__buttons">
        <button type="button" className="button button--primary" onClick={onLogIn}>
          Log in again
        </button>
        <button type="button" className="button" onClick={onDismiss}>
          Not now
        </button>
      </div>
    </dialog>
  );
}
