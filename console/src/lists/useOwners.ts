import { useParts } from "../parts";
import { mayApprove } from "../permissions";
import type { Scope } from "../scope";
import { useAnswer } from "./useAnswer";

/** How the owner of a thing is called. Who sees things of others may ask for their names. */
export function useOwners({ tenant, userId }: Scope): (ownerId: string) => string {
  const { session } = useParts();
  const { result } = useAnswer(tenant.id, (signal) => session.api.members(tenant.id, signal), mayApprove(tenant.role));
  const members = result?.ok ? result.value.items : [];
  return (ownerId) => {
    if (ownerId === userId) return "you";
    const member = members.find(({ user_id }) => user_id === ownerId);
    return member?.name ?? member?.email ?? ownerId;
  };
}
