/** What to offer by a role in a tenant. The server decides; this only spares people what it would refuse. Pure. */

/** Only the roles that we know to be too small are left out: a newer server may know more of them. */
export function mayManage(role: string): boolean {
  return role !== "viewer";
}

export function mayApprove(role: string): boolean {
  return role !== "viewer" && role !== "member";
}
