import { ExpiredDialog } from "../components/ExpiredDialog";
import { Notice } from "../components/Notice";
import { TopBar } from "../components/TopBar";
import { TroubleBanner } from "../components/TroubleBanner";
import { useAnswer } from "../lists/useAnswer";
import { usePlace } from "../navigation/navigation";
import { useParts } from "../parts";
import type { SessionState } from "../session/state";
import { DevicesPage } from "./DevicesPage";
import { HomePage } from "./HomePage";
import { RegistrationTokensPage } from "./RegistrationTokensPage";
import { TenantPage } from "./TenantPage";

export type SignedInState = Extract<SessionState, { kind: "signed-in" | "expired" }>;

interface SignedInPagesProps {
  readonly state: SignedInState;
  readonly notice: string | null;
}

export function SignedInPages({ state, notice }: SignedInPagesProps) {
  const { session } = useParts();
  const place = usePlace();
  const trouble = state.kind === "signed-in" ? state.trouble : null;
  return (
    <div className="shell">
      <TopBar place={place} onLogOut={() => void session.logOut()} />
      <main className="shell__main">
        <Notice sentence={notice} />
        {trouble && <TroubleBanner trouble={trouble} onRetry={() => void session.check()} />}
        {/* Another user may have logged in from another tab: nothing of the former one is kept. */}
        <PageOfUser key={state.user.sub} state={state} />
      </main>
      {state.kind === "expired" && <ExpiredDialog onLogIn={session.logIn} onDismiss={session.dismissExpiry} />}
    </div>
  );
}

function PageOfUser({ state }: { state: SignedInState }) {
  const { session } = useParts();
  const place = usePlace();
  const me = useAnswer("me", (signal) => session.api.me(signal));
  switch (place.page) {
    case "home":
      return <HomePage state={state} me={me} />;
    case "devices":
      return (
        <TenantPage key="devices" title="Devices" me={me}>
          {(scope) => <DevicesPage key={scope.tenant.id} scope={scope} />}
        </TenantPage>
      );
    case "registration-tokens":
      return (
        <TenantPage key="registration-tokens" title="Registration tokens" me={me}>
          {(scope) => <RegistrationTokensPage key={scope.tenant.id} scope={scope} />}
        </TenantPage>
      );
    case "unknown":
      return (
        <>
          <p className="banner">There is no page at this address. This is home.</p>
          <HomePage state={state} me={me} />
        </>
      );
  }
}
