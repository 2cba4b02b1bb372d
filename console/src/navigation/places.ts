/** Which page an address means, and back. Pure. */

import type { Address } from "../platform";

export type PageName = "home" | "devices" | "registration-tokens" | "unknown";

export interface Place {
  readonly page: PageName;
  /** What the page shows of it all; each `null` where the address says nothing. */
  readonly tenantId: string | null;
  readonly deviceState: string | null;
  readonly registrationTokenId: string | null;
}

const PAGES: ReadonlyMap<string, PageName> = new Map([
  ["/", "home"],
  ["/index.html", "home"],
  ["/devices", "devices"],
  ["/registration-tokens", "registration-tokens"],
]);

const PATHS: Readonly<Record<PageName, string>> = {
  home: "/",
  devices: "/devices",
  "registration-tokens": "/registration-tokens",
  unknown: "/",
};

export const HOME: Place = { page: "home", tenantId: null, deviceState: null, registrationTokenId: null };

// `show`, not `state`: providers leave a `state` in the address after a logout, which the console drops.
export function placeOf({ path, search }: Pick<Address, "path" | "search">): Place {
  const query = new URLSearchParams(search);
  return {
    page: PAGES.get(path === "/" ? path : path.replace(/\/$/, "")) ?? "unknown",
    tenantId: wordIn(query, "tenant"),
    deviceState: wordIn(query, "show"),
    registrationTokenId: wordIn(query, "registration_token"),
  };
}

export function pathOf(place: Place): string {
  const query = new URLSearchParams();
  if (place.tenantId !== null) query.set("tenant", place.tenantId);
  if (place.deviceState !== null) query.set("show", place.deviceState);
  if (place.registrationTokenId !== null) query.set("registration_token", place.registrationTokenId);
  return PATHS[place.page] + (query.size > 0 ? `?${query}` : "");
}

/** Another page of the same tenant, without the filters of this one. */
export function pageOf(place: Place, page: PageName): Place {
  return { ...HOME, page, tenantId: place.tenantId };
}

/** Ids and states are words: whatever else stands in an address was not written by us. */
function wordIn(query: URLSearchParams, name: string): string | null {
  const value = query.get(name) ?? "";
  return /^[\w-]{1,64}$/.test(value) ? value : null;
}
