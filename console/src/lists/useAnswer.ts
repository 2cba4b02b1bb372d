import { useEffect, useState } from "react";
import type { Result } from "../api/client";
import { useIsExpired } from "../session/useIsExpired";

export interface Answer<Value> {
  /** `null` while it is on its way. */
  readonly result: Result<Value> | null;
  readonly retry: () => void;
}

interface Answered<Value> {
  readonly question: string;
  readonly result: Result<Value> | null;
}

/** The server's answer. `question` names what `ask` asks for: under another name it is asked anew. */
export function useAnswer<Value>(
  question: string,
  ask: (signal: AbortSignal) => Promise<Result<Value>>,
  isWanted = true,
): Answer<Value> {
  const isExpired = useIsExpired();
  const [attempt, setAttempt] = useState(0);
  const [answered, setAnswered] = useState<Answered<Value>>({ question, result: null });
  useEffect(() => {
    if (isExpired || !isWanted) return undefined;
    const controller = new AbortController();
    void ask(controller.signal).then((result) => {
      if (!controller.signal.aborted) setAnswered({ question, result });
    });
    return () => controller.abort();
  }, [question, attempt, isExpired, isWanted]);
  const retry = () => {
    setAnswered({ question, result: null });
    setAttempt(attempt + 1);
  };
  return { result: answered.question === question ? answered.result : null, retry };
}
