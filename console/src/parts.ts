/** The parts that components deep down use. Only `App` provides them. */

import { createContext, useContext } from "react";
import type { Navigation } from "./navigation/navigation";
import type { Platform } from "./platform";
import type { Session } from "./session/session";

export interface Parts {
  readonly platform: Platform;
  readonly session: Session;
  readonly navigation: Navigation;
}

export const PartsContext = createContext<Parts | null>(null);

export function useParts(): Parts {
  const parts = useContext(PartsContext);
  if (parts === null) throw new Error("a component that uses parts stands outside <App>");
  return parts;
}
