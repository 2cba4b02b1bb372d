/** Whose things a page shows, and to whom. */

import type { Tenant } from "./api/types";

export interface Scope {
  readonly tenant: Tenant;
  readonly userId: string;
}
