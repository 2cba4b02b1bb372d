import { useParts } from "../parts";
import type { Scope } from "../scope";
import { useAnswer } from "./useAnswer";

/** The label of a registration token, if it is among the newest; for the others there is a word. */
export function useTokenLabels({ tenant }: Scope): (tokenId: string) => string {
  const { session } = useParts();
  const { result } = useAnswer(tenant.id, (signal) => session.api.registrationTokens.list(tenant.id, null, signal));
  const tokens = result?.ok ? result.value.items : [];
  return (tokenId) => tokens.find(({ id }) => id === tokenId)?.label ?? "a registration token";
}
