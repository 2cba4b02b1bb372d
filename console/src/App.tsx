import { useEffect, useMemo, useSyncExternalStore } from "react";
import { PartsContext, type Parts } from "./parts";
import { SignedInPages } from "./pages/SignedInPages";
import { UnreachablePage } from "./pages/UnreachablePage";
import { WaitingPage } from "./pages/WaitingPage";
import { WelcomePage } from "./pages/WelcomePage";
import type { View } from "./session/session";
import type { SessionState } from "./session/state";
import { displayName } from "./user";

export function App({ platform, session, navigation }: Parts) {
  const view = useSyncExternalStore(session.subscribe, session.view);
  const parts = useMemo(() => ({ platform, session, navigation }), [platform, session, navigation]);
  useEffect(() => session.start(), [session]);
  useEffect(() => navigation.start(), [navigation]);
  return (
    <PartsContext value={parts}>
      {/* Stays while the pages change: a live region must be there before its text is. */}
      <p role="status" className="visually-hidden">
        {spoken(view.state)}
      </p>
      <Page view={view} />
    </PartsContext>
  );
}

function Page({ view: { state, notice } }: { view: View }) {
  switch (state.kind) {
    case "unknown":
      return <WaitingPage sentence="Loading…" />;
    case "leaving":
      return <WaitingPage sentence={state.sentence} />;
    case "unreachable":
      return <UnreachablePage trouble={state.trouble} />;
    case "signed-out":
      return <WelcomePage notice={notice} />;
    case "signed-in":
    case "expired":
      // The same for both: what the user was doing is still there after the dialog.
      return <SignedInPages state={state} notice={notice} />;
  }
}

function spoken(state: SessionState): string {
  switch (state.kind) {
    case "unknown":
      return "Loading…";
    case "leaving":
      return state.sentence;
    case "unreachable":
    case "expired":
      // Their alert and dialog speak for themselves.
      return "";
    case "signed-out":
      return "You are logged out.";
    case "signed-in":
      return `Logged in as ${displayName(state.user)}.`;
  }
}
