/** The requests that the console makes, by name. */

import type { Result, Send } from "./client";
import { deviceRequests, type DeviceRequests } from "./devices";
import { parseLogoutAnswer, parseMe, parseMember, parsePage, parseSessionStatus, parseUser } from "./guards";
import { pathWith } from "./paths";
import { registrationTokenRequests, type RegistrationTokenRequests } from "./registrationTokens";
import type { LogoutAnswer, Me, Member, Page, SessionStatus, User } from "./types";

export interface Api {
  /** Does not extend the session. */
  session(signal: AbortSignal): Promise<Result<SessionStatus>>;
  /** Does not extend the session. */
  userinfo(signal: AbortSignal): Promise<Result<User>>;
  me(signal: AbortSignal): Promise<Result<Me>>;
  logOut(signal: AbortSignal): Promise<Result<LogoutAnswer>>;
  /** The first two hundred of them. */
  members(tenantId: string, signal: AbortSignal): Promise<Result<Page<Member>>>;
  readonly registrationTokens: RegistrationTokenRequests;
  readonly devices: DeviceRequests;
}

export function createApi(send: Send): Api {
  return {
    session: (signal) => send({ method: "GET", path: "/session", parse: parseSessionStatus }, signal),
    userinfo: (signal) => send({ method: "GET", path: "/userinfo?slide=false", parse: parseUser }, signal),
    me: (signal) => send({ method: "GET", path: "/api/v1/users/me", parse: parseMe }, signal),
    logOut: (signal) => send({ method: "POST", path: "/logout", parse: parseLogoutAnswer }, signal),
    members: (tenantId, signal) => {
      const path = pathWith(`/api/v1/tenants/${encodeURIComponent(tenantId)}/members`, { limit: 200 });
      return send({ method: "GET", path, parse: parsePage(parseMember) }, signal);
    },
    registrationTokens: registrationTokenRequests(send),
    devices: deviceRequests(send),
  };
}
