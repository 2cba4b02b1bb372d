/** What the user reads when a login did not work. The code comes from the address bar: it is never shown itself. */

import type { Platform } from "../platform";
import { hasLeftovers, isOwnPath, withoutLeftovers } from "./addresses";

const UNKNOWN = "The login did not work. Please try again.";

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ["access_denied", "The login was cancelled or refused. Try again, or with another account."],
  ["login_failed", UNKNOWN],
  ["provider_unavailable", "The login service cannot be reached right now. Please try again in a minute."],
  ["temporarily_unavailable", "The login service is busy right now. Please try again in a minute."],
  ["login_required", "Please log in to go on."],
  ["interaction_required", "Please log in to go on."],
  ["consent_required", "The login service needs your consent. Please log in and give it to go on."],
]);

/** The sentence for `?error=<code>`, once: the parameter leaves the address bar, a reload does not repeat it. */
export function takeLoginError(platform: Platform): string | null {
  const address = platform.address();
  if (hasLeftovers(address)) {
    const path = withoutLeftovers(address);
    // `//host/?error=x` is a path here, but would be another host there: the browser would throw.
    platform.replaceAddress(isOwnPath(path, address.origin) ? path : "/");
  }
  const code = new URLSearchParams(address.search).get("error");
  return code === null ? null : (SENTENCES.get(code) ?? UNKNOWN);
}
