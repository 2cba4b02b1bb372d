/** The requests that the console makes, by name. */

import type { Result, Send } from "./client";
import { parseLogoutAnswer, parseMe, parseSessionStatus, parseUser } from "./guards";
import type { LogoutAnswer, Me, SessionStatus, User } from "./types";

export interface Api {
  /** Does not extend the session. */
  session(signal: AbortSignal): Promise<Result<SessionStatus>>;
  /** Does not extend the session. */
  userinfo(signal: AbortSignal): Promise<Result<User>>;
  me(signal: AbortSignal): Promise<Result<Me>>;
  logOut(signal: AbortSignal): Promise<Result<LogoutAnswer>>;
}

export function createApi(send: Send): Api {
  return {
    session: (signal) => send({ method: "GET", path: "/session", parse: parseSessionStatus }, signal),
    userinfo: (signal) => send({ method: "GET", path: "/userinfo?slide=false", parse: parseUser }, signal),
    me: (signal) => send({ method: "GET", path: "/api/v1/users/me", parse: parseMe }, signal),
    logOut: (signal) => send({ method: "POST", path: "/logout", parse: parseLogoutAnswer }, signal),
  };
}
