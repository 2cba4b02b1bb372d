/** What the page knows about the session, and how an answer changes it. Pure. */

import type { Trouble } from "../api/client";
import type { SessionStatus, User } from "../api/types";

/** Milliseconds of the wall clock; `null` is no limit. */
export interface Deadlines {
  readonly idle: number | null;
  readonly absolute: number | null;
}

export type SessionState =
  | { readonly kind: "unknown" }
  | { readonly kind: "unreachable"; readonly trouble: Trouble }
  | { readonly kind: "signed-out" }
  | { readonly kind: "signed-in"; readonly user: User; readonly deadlines: Deadlines; readonly trouble: Trouble | null }
  | { readonly kind: "expired"; readonly user: User }
  | { readonly kind: "leaving"; readonly sentence: string };

/** What the server said when it was asked who is there. */
export type Outcome =
  | { readonly kind: "nobody" }
  | { readonly kind: "somebody"; readonly user: User; readonly deadlines: Deadlines }
  | Trouble;

export function afterCheck(state: SessionState, outcome: Outcome): SessionState {
  switch (outcome.kind) {
    case "nobody":
      return afterEnd(state);
    case "somebody":
      return { kind: "signed-in", user: outcome.user, deadlines: outcome.deadlines, trouble: null };
    case "trouble":
      return afterTrouble(state, outcome);
  }
}

/** Who saw the page as a user is told that it is over; who did not is simply signed out. */
export function afterEnd(state: SessionState): SessionState {
  if (state.kind === "expired") return state;
  return state.kind === "signed-in" ? { kind: "expired", user: state.user } : { kind: "signed-out" };
}

/** Trouble on the way proves nothing about the session: what was known stays. */
function afterTrouble(state: SessionState, trouble: Trouble): SessionState {
  switch (state.kind) {
    case "signed-in":
      return { ...state, trouble };
    case "signed-out":
    case "expired":
      return state;
    case "unknown":
    case "unreachable":
    case "leaving":
      return { kind: "unreachable", trouble };
  }
}

/** Counted from when the question was asked, so that a slow answer never promises too much. */
export function deadlinesFrom(status: SessionStatus, askedAt: number): Deadlines {
  return { idle: deadline(status.idle_expires_in, askedAt), absolute: deadline(status.expires_in, askedAt) };
}

export function areOver(deadlines: Deadlines, now: number): boolean {
  return (deadlines.idle ?? Infinity) <= now || (deadlines.absolute ?? Infinity) <= now;
}

function deadline(seconds: number | null, askedAt: number): number | null {
  return seconds === null ? null : askedAt + seconds * 1000;
}
