import { useEffect, useState } from "react";
import { useParts } from "./parts";

/** The time, told anew as often as the page needs it. */
export function useNow(everyMilliseconds: number): number {
  const { platform } = useParts();
  const [now, setNow] = useState(platform.now);
  useEffect(
    () => platform.every(everyMilliseconds, () => setNow(platform.now())),
    [platform, everyMilliseconds],
  );
  return now;
}
