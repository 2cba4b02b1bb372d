import type { Trouble } from "../api/client";
import { Logo } from "../components/Logo";
import { TroubleBanner } from "../components/TroubleBanner";
import { useParts } from "../parts";

export function UnreachablePage({ trouble }: { trouble: Trouble }) {
  const { session } = useParts();
  return (
    <main className="waiting">
      <Logo className="waiting__logo waiting__logo--still" />
      <h1 className="waiting__title">The door is stuck</h1>
      <TroubleBanner trouble={trouble} onRetry={() => void session.check()} />
    </main>
  );
}
