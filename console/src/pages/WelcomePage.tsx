import { DoorPicture } from "../components/DoorPicture";
import { Logo } from "../components/Logo";
import { Notice } from "../components/Notice";
import { useParts } from "../parts";

export function WelcomePage({ notice }: { notice: string | null }) {
  const { session } = useParts();
  return (
    <div className="welcome">
      <main className="welcome__text">
        <p className="brand">
          <Logo />
          Doorward
        </p>
        <div className="welcome__middle">
          <Notice sentence={notice} />
          <h1>One front door for people, terminals and devices.</h1>
          <p className="welcome__lead">
            Doorward logs people in through your own identity provider and gives the services behind it a short-lived,
            verifiable identity.
          </p>
          <button type="button" className="button button--primary button--large" onClick={session.logIn}>
            Log in
          </button>
        </div>
        <p className="welcome__foot">Your browser keeps one cookie. No token ever reaches this page.</p>
      </main>
      <div className="welcome__picture">
        <DoorPicture />
      </div>
    </div>
  );
}
