/** Where the page may send the browser. Pure. */

import type { Address } from "../platform";

/**
 * True for a path on this origin. Refused: `//host` and `/\host`, which browsers read as another host, and control
 * characters, which they drop (`/<tab>/host` becomes `//host`).
 */
export function isOwnPath(path: string, origin: string): boolean {
  if (!/^\/(?![/\\])[^\\\u0000-\u0020\u007f]*$/.test(path)) return false;
  return URL.canParse(path, origin) && new URL(path, origin).origin === origin;
}

// The agent takes plain return addresses only and answers others 400: a strange address bar is no reason for that.
const PLAIN_PATH = /^(?:\/[\w.~-]+)*\/?$/;
const PLAIN = /^[!#-;=?-[\]^_a-z{|}~]+$/;
const LONGEST_RETURN = 1024;

const LEFTOVERS = ["error", "state"] as const;

/** Comes back to the same place after the login; a login that failed opens the same page with `?error=`. */
export function loginPath(address: Address): string {
  const path = PLAIN_PATH.test(address.path) && isPlain(address.path) ? address.path : "/";
  const place = path + address.search + address.hash;
  const query = new URLSearchParams({ redirect: isPlain(place) ? place : path, failure: path });
  return `/login/start?${query}`;
}

function isPlain(place: string): boolean {
  return place.length <= LONGEST_RETURN && PLAIN.test(place);
}

/** The address bar's path without what a failed login (`error`) or a logout at the provider (`state`) left there. */
export function withoutLeftovers(address: Address): string {
  const query = new URLSearchParams(address.search);
  LEFTOVERS.forEach((name) => query.delete(name));
  const search = query.size > 0 ? `?${query}` : "";
  return address.path + search + address.hash;
}

export function hasLeftovers(address: Address): boolean {
  const query = new URLSearchParams(address.search);
  return LEFTOVERS.some((name) => query.has(name));
}
