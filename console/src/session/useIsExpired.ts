import { useSyncExternalStore } from "react";
import { useParts } from "../parts";

/** True while the dialog asks to log in again: nothing can be asked then, and afterwards all of it once more. */
export function useIsExpired(): boolean {
  const { session } = useParts();
  return useSyncExternalStore(session.subscribe, () => session.view().state.kind === "expired");
}
