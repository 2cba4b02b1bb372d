import { Avatar } from "../components/Avatar";
import { ExpiredDialog } from "../components/ExpiredDialog";
import { Notice } from "../components/Notice";
import { SessionCard } from "../components/SessionCard";
import { TenantsCard } from "../components/TenantsCard";
import { TerminalCard } from "../components/TerminalCard";
import { TopBar } from "../components/TopBar";
import { TroubleBanner } from "../components/TroubleBanner";
import { useParts } from "../parts";
import type { SessionState } from "../session/state";
import { displayName } from "../user";

type HomeState = Extract<SessionState, { kind: "signed-in" | "expired" }>;

interface HomePageProps {
  readonly state: HomeState;
  readonly notice: string | null;
}

export function HomePage({ state, notice }: HomePageProps) {
  const { session } = useParts();
  const { user } = state;
  const name = displayName(user);
  const trouble = state.kind === "signed-in" ? state.trouble : null;
  return (
    <div className="home">
      <TopBar onLogOut={() => void session.logOut()} />
      <main className="home__main">
        <Notice sentence={notice} />
        {trouble && <TroubleBanner trouble={trouble} onRetry={() => void session.check()} />}
        <section className="who" aria-label="Who you are">
          <Avatar name={name} />
          <div className="who__text">
            <h1>{name}</h1>
            {user.email !== null && user.email !== name && <p>{user.email}</p>}
          </div>
        </section>
        <div className="cards">
          {/* Another user may have logged in from another tab: nothing of the former one is kept. */}
          <TenantsCard key={user.sub} />
          <SessionCard deadlines={state.kind === "signed-in" ? state.deadlines : null} />
          <TerminalCard />
        </div>
      </main>
      {state.kind === "expired" && <ExpiredDialog onLogIn={session.logIn} onDismiss={session.dismissExpiry} />}
    </div>
  );
}
