import { remaining } from "../remaining";
import type { Deadlines } from "../session/state";
import { useNow } from "../useNow";
import { Card } from "./Card";

/** `null`: the session is over. */
export function SessionCard({ deadlines }: { deadlines: Deadlines | null }) {
  const now = useNow(1_000);
  return (
    <Card title="Session">
      <dl className="countdowns">
        <dt>Ends when idle</dt>
        <dd>{deadlines === null ? "now" : <Countdown deadline={deadlines.idle} now={now} />}</dd>
        <dt>Ends at the latest</dt>
        <dd>{deadlines === null ? "now" : <Countdown deadline={deadlines.absolute} now={now} />}</dd>
      </dl>
      <p className="card__note card__foot">
        This page holds no token: your browser keeps one cookie, the agent does the rest.
      </p>
    </Card>
  );
}

function Countdown({ deadline, now }: { deadline: number | null; now: number }) {
  if (deadline === null) return "no limit";
  const { text, duration } = remaining(deadline - now);
  return (
    <time role="timer" dateTime={duration}>
      in {text}
    </time>
  );
}
