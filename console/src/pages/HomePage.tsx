import type { Me } from "../api/types";
import { Avatar } from "../components/Avatar";
import { PageTitle } from "../components/PageTitle";
import { SessionCard } from "../components/SessionCard";
import { TenantsCard } from "../components/TenantsCard";
import { TerminalCard } from "../components/TerminalCard";
import type { Answer } from "../lists/useAnswer";
import { displayName } from "../user";
import type { SignedInState } from "./SignedInPages";

interface HomePageProps {
  readonly state: SignedInState;
  readonly me: Answer<Me>;
}

export function HomePage({ state, me }: HomePageProps) {
  const { user } = state;
  const name = displayName(user);
  return (
    <>
      <section className="who" aria-label="Who you are">
        <Avatar name={name} />
        <div className="who__text">
          <PageTitle title="Home">{name}</PageTitle>
          {user.email !== null && user.email !== name && <p>{user.email}</p>}
        </div>
      </section>
      <div className="cards">
        <TenantsCard me={me} />
        <SessionCard deadlines={state.kind === "signed-in" ? state.deadlines : null} />
        <TerminalCard />
      </div>
    </>
  );
}
