import { Logo } from "../components/Logo";

/** Nothing of the user is here: this page is shown while it is not known who looks. */
export function WaitingPage({ sentence }: { sentence: string }) {
  return (
    <main className="waiting">
      <Logo className="waiting__logo" />
      {/* App's live region says the same to screen readers. */}
      <p aria-hidden="true">{sentence}</p>
    </main>
  );
}
