import { useEffect, useId, useRef, type ReactNode, type SyntheticEvent } from "react";

interface DialogProps {
  readonly title: string;
  readonly className?: string;
  /** The Escape key. `null`: only a button of the dialog closes it. */
  readonly onClose: (() => void) | null;
  readonly children: ReactNode;
}

/** Open for as long as it is drawn; then the focus goes back to where it was. */
export function Dialog({ title, className = "", onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const opener = document.activeElement;
    const element = dialog.current;
    if (element?.open === false) element.showModal();
    return () => {
      // A dialog that is taken away, not closed, does not give the focus back by itself.
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  const keepOpen = (event: SyntheticEvent) => {
    if (onClose === null) event.preventDefault();
  };
  const closed = () => {
    if (onClose !== null) onClose();
    // Browsers that do not know `closedby` let a second Escape through, whatever the page says to the first.
    else if (dialog.current?.isConnected) dialog.current.showModal();
  };
  return (
    <dialog
      ref={dialog}
      className={`dialog ${className}`}
      aria-labelledby={titleId}
      closedby={onClose === null ? "none" : "closerequest"}
      onCancel={keepOpen}
      onClose={closed}
    >
      <h2 id={titleId}>{title}</h2>
      {children}
    </dialog>
  );
}
